"""What is left when all is quiet again: rows that stand for nothing, and queues in memory.

Everything has healed for half a minute, so there is one row for each job that has something to
come, where its next owner begins to read, and nobody remembers more than the last seconds.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from simulator.cluster import Cluster
from simulator.store.cells import Cells, JobRow
from tickwheel.server.audit.findings import Fault, Finding
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.scheduler.repairs import Mended

#: What stands further back than this nobody is at work with.
_OLD_MS: Final = 15_000
#: While a row moves, the one that goes is still there.
_MOVING: Final = 2
#: What a worker may have told that is not acknowledged yet: of the last moments.
_UNTOLD: Final = 200


def check_residue(cluster: Cluster, now_ms: int, unsure: int) -> Iterator[Finding]:
    """What did not become less again, and jobs that nothing will ever fire.

    Args:
        cluster: all that there is.
        now_ms: the present.
        unsure: how many jobs there are of which a client does not know whether a call was obeyed.
    """
    yield from _check_rows(cluster.cells, now_ms)
    yield from _check_repairs(cluster, unsure)
    for member in cluster.of_kind("w"):
        if member.core is not None and member.core.unacknowledged > _UNTOLD:
            text = f"{member.core.unacknowledged} outcomes are not acknowledged"
            yield Finding(Fault.UNBOUNDED, member.name, "", text)


def _check_repairs(cluster: Cluster, unsure: int) -> Iterator[Finding]:
    """What had to be mended would have been lost, unless somebody touched the store by hand.

    An api that ended, or lost the store, between a change and the news of it has not answered its
    client: that change takes effect when the segment's owner comes to it, which may be by repair.
    """
    if cluster.rows_lost:
        return
    repairs = sum((scheduler.census.repairs for scheduler in cluster.schedulers), Counter[Mended]())
    limits = {Mended.JOB_WITHOUT_ROW: unsure, Mended.LATE_ROW: unsure, Mended.WAITING_RUN: 0}
    for what, limit in limits.items():
        if repairs[what] > limit:
            text = f"{repairs[what]} times {what.value} had to be mended, and {limit} may have been"
            yield Finding(Fault.JOB_LOST, "", "", text)


def _check_rows(cells: Cells, now_ms: int) -> Iterator[Finding]:
    rows: Counter[str] = Counter()
    old: Counter[str] = Counter()
    for segment in cells.segments:
        # What landed late behind the position is dropped with its bucket.
        ahead = list(segment.entries.between((segment.position[1],), (1 << 62,)))
        # A position waits for jobs that were begun to be created, and is behind meanwhile.
        waits = any(cells.jobs.get(entry.key) is None for _, _, entry in ahead)
        for key, _, entry in ahead:
            if entry.kind is EntryKind.BACKFILL and cells.jobs.get(entry.key) is not None:
                text = "the row of a backfill is left"
                yield Finding(Fault.UNBOUNDED, entry.uid, entry.run_id, text)
            if entry.kind is EntryKind.SCHEDULE and not _is_of_nothing(cells, entry):
                rows[entry.uid] += 1
                old[entry.uid] += key[0] < now_ms - _OLD_MS and not waits
    for key, row in cells.jobs.items():
        name, count = str(row.job.name), rows[key.uid]
        if _has_more_to_come(row):
            if not count:
                text = "it has no row where its next owner would find it"
                yield Finding(Fault.JOB_LOST, name, "", text)
            elif count > _MOVING or old[key.uid]:
                text = f"{count} rows, {old[key.uid]} of them long past"
                yield Finding(Fault.UNBOUNDED, name, "", text)


def _is_of_nothing(cells: Cells, entry: ScheduleEntry) -> bool:
    """Of a change that was tried and never came to be: it is dropped with its bucket."""
    row = cells.jobs.get(entry.key)
    return row is None or entry.generation > row.job.generation


def _has_more_to_come(row: JobRow) -> bool:
    job = row.job
    return not job.delete_ms and row.completed_generation != job.generation
