"""Drops records that are older than the retention, a few batches at a time."""

from itertools import takewhile

from tickwheel.server.records.database import OFFSET_BITS
from tickwheel.server.records.record import PartitionState
from tickwheel.server.records.tail import Tail

#: Dropped in one transaction: at most this many batches, 16 MiB unless records are larger.
_BATCHES = 64


def drop_older(tail: Tail, partition: PartitionState, before_ms: int) -> bool:
    """Drops batches from the start of a partition; runs on the writer's thread.

    Returns:
        Whether there may be more to drop.
    """
    lowest = partition.id << OFFSET_BITS
    rows = tail.connection.execute(
        "SELECT id, record_count, append_ms FROM batches WHERE id >= ? AND id < ?"
        " ORDER BY id LIMIT ?",
        (lowest, lowest + (1 << OFFSET_BITS), _BATCHES),
    ).fetchall()
    old = list(takewhile(lambda row: row[2] < before_ms, rows))
    if not old:
        return False
    last_id, count, _ = old[-1]
    start = last_id - lowest + count
    tail.connection.execute("DELETE FROM batches WHERE id >= ? AND id <= ?", (lowest, last_id))
    # Where nothing is left, this is all that tells the next offset.
    tail.connection.execute(
        "UPDATE partitions SET start_offset = ? WHERE id = ?", (start, partition.id)
    )
    tail.trim(partition.topic, partition.number, start)
    return len(old) == _BATCHES
