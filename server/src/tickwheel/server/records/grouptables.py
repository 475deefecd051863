"""Groups and their positions in the file. Run on the writer's thread, inside a transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tickwheel.server.records.acked import Acked
from tickwheel.server.records.tail import Tail


class StoredGroup(NamedTuple):
    """A group as the file has it."""

    id: int
    #: By partition number.
    positions: Mapping[int, Acked]


class PositionRow(NamedTuple):
    """A position to be stored."""

    group_id: int
    partition_id: int
    low: int
    acked: bytes


def find_group(tail: Tail, topic: str, name: str, now_ms: int) -> StoredGroup | None:
    """The group of that name, noting that it is used."""
    row = tail.connection.execute(
        "SELECT g.id FROM consumer_groups g JOIN topics t ON t.id = g.topic_id"
        " WHERE t.name = ? AND g.name = ?",
        (topic, name),
    ).fetchone()
    if row is None:
        return None
    (group_id,) = row
    touch_groups(tail, {group_id: now_ms})
    rows = tail.connection.execute(
        "SELECT p.number, s.low, s.acked FROM positions s"
        " JOIN partitions p ON p.id = s.partition_id WHERE s.group_id = ?",
        (group_id,),
    )
    return StoredGroup(
        group_id, {number: Acked.from_bytes(low, acked) for number, low, acked in rows}
    )


def make_group(tail: Tail, topic: str, name: str, now_ms: int, *, at_end: bool) -> StoredGroup:
    """The group of that name; a new one where there is none, and a new topic likewise."""
    partitions = tail.ensure_topic(topic)
    found = find_group(tail, topic, name, now_ms)
    if found is not None:
        return found
    group_id = tail.connection.execute(
        "INSERT INTO consumer_groups (topic_id, name, used_ms)"
        " SELECT id, ?, ? FROM topics WHERE name = ?",
        (name, now_ms, topic),
    ).lastrowid
    assert group_id is not None
    positions = {part.number: Acked(part.end if at_end else part.start) for part in partitions}
    save_positions(
        tail,
        [PositionRow(group_id, part.id, positions[part.number].low, b"") for part in partitions],
    )
    return StoredGroup(group_id, positions)


def save_positions(tail: Tail, rows: Sequence[PositionRow]) -> None:
    """Replaces positions."""
    tail.connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)", rows)


def touch_groups(tail: Tail, used_ms: Mapping[int, int]) -> None:
    """Notes when groups were last used, by id, Unix milliseconds."""
    tail.connection.executemany(
        "UPDATE consumer_groups SET used_ms = ? WHERE id = ?",
        [(instant_ms, group_id) for group_id, instant_ms in used_ms.items()],
    )


def drop_groups(tail: Tail, before_ms: int, limit: int, spared: Iterable[int]) -> int:
    """Drops groups that were last used before an instant; returns how many."""
    kept = set(spared)
    rows = tail.connection.execute(
        "SELECT id FROM consumer_groups WHERE used_ms < ?", (before_ms,)
    ).fetchall()
    gone = [(group_id,) for (group_id,) in rows if group_id not in kept][:limit]
    tail.connection.executemany("DELETE FROM positions WHERE group_id = ?", gone)
    tail.connection.executemany("DELETE FROM consumer_groups WHERE id = ?", gone)
    return len(gone)
