"""ExplainJob."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tickwheel.server.api.errors import invalid
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import JobNotFound
from tickwheel.server.domain.names import JobName, instant_id
from tickwheel.server.domain.run import Run, Trigger
from tickwheel.server.explain.facts import Explained, Life, Runs, Slot, Surroundings, life_of
from tickwheel.server.explain.judging import explain
from tickwheel.server.explain.slots import slots
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.server.store.port import Store
from tickwheel.v1 import errors_pb2

#: Jobs of one name, one after the other, within one range.
MAX_LIVES = 20
#: Runs of one job that are read for a page at most, by hand and backfilled ones included.
_MAX_ROWS = 3_000
#: So many are read at a time. With a result, and a payload of its own, a run may have 300 KiB.
_ROWS = 200
#: Runs that are looked through for the record that stands for what is before it.
_MAX_BACK = 1_000
_BACK = 100


@dataclass(frozen=True, slots=True)
class Explanation:
    """Some of a range's occurrences; `more`: others follow."""

    occurrences: Sequence[Explained]
    more: bool


@dataclass(frozen=True, slots=True)
class ExplainJob:
    """Reads what is known of a job, and says what it means."""

    store: Store
    schedulers: Schedulers
    clock: Clock

    async def run(self, name: JobName, start_ms: int, end_ms: int, count: int) -> Explanation:
        """What became of the first occurrences of a range, or will.

        Args:
            name: the job's; it may have been deleted.
            start_ms: from here on, Unix milliseconds.
            end_ms: before this.
            count: how many at most.

        Raises:
            JobNotFound: there has been none of that name within the retention.
            InvalidInput: the range is empty, or too many jobs have had the name in it.
        """
        if end_ms <= start_ms:
            raise invalid(errors_pb2.TIME_RANGE_INVALID, "endTime", "must be after startTime")
        lives = await self._lives(name, start_ms, end_ms)
        # Counting and searching is work; others go on meanwhile.
        found = await asyncio.to_thread(
            lambda: list(islice(slots(lives, start_ms, end_ms), count + 1))
        )
        more = len(found) > count
        shown = found[:count]
        until_ms = found[count].at_ms if more else end_ms
        runs = {life.job.uid: await self._runs(life, shown, start_ms, until_ms) for life in lives}
        around = await self._surroundings(lives)
        if any(known.any_pending() for known in runs.values()):
            around = replace(around, unserved=await self._unserved(lives))
        told = {slot.at_ms: explain(slot, runs, around) for slot in shown}
        for life in lives:
            told = {**_unexpected(life, runs[life.job.uid], set(told), around), **told}
        ordered = sorted(told.values(), key=lambda one: one.at_ms)
        return Explanation(ordered[:count], more or len(ordered) > count)

    async def _lives(self, name: JobName, start_ms: int, end_ms: int) -> list[Life]:
        """The jobs of that name to which the range belongs, oldest first."""
        jobs = await self.store.jobs.find_all(name.user, name.job_id)
        if not jobs:
            raise JobNotFound(f"there is no job {name}", job=str(name))
        jobs.sort(key=lambda job: (job.create_ms, job.uid))
        wanted = [
            job
            for place, job in enumerate(jobs)
            if (place == 0 or jobs[place - 1].delete_ms < end_ms)
            and (place == len(jobs) - 1 or jobs[place + 1].create_ms > start_ms)
        ]
        if len(wanted) > MAX_LIVES:
            raise invalid(
                errors_pb2.TIME_RANGE_INVALID,
                "startTime",
                f"{len(wanted)} jobs had the name {name} one after the other in this range; ask "
                f"for a shorter one, with at most {MAX_LIVES}",
            )
        return [
            life_of(job, await self.store.jobs.history(job.key) if job.version > 1 else ())
            for job in wanted
        ]

    async def _runs(self, life: Life, shown: Sequence[Slot], start_ms: int, until_ms: int) -> Runs:
        """The job's runs of a range, and of those before it what matters for it."""
        uid = life.job.uid
        found: dict[str, Run] = {}
        cursor: bytes | None = b""
        while cursor is not None and len(found) < _MAX_ROWS:
            page = await self.store.runs.list_job(
                uid, cursor, _ROWS, start_ms=start_ms, end_ms=until_ms
            )
            found.update((run.run_id, _light(run)) for run in page.items)
            cursor = page.cursor
        mine = [slot for slot in shown if slot.life is life and slot.era is not None]
        if cursor is not None:
            # So many by hand, or backfilled, that those of the schedule are asked for by name.
            wanted = [(uid, instant_id(slot.at_ms)) for slot in mine]
            asked = await self.store.runs.get_many([key for key in wanted if key[1] not in found])
            found.update((run.run_id, _light(run)) for run in asked.values())
        before = await self._before(uid, mine[0].at_ms) if mine else ()
        return Runs(list(found.values()), before)

    async def _before(self, uid: str, at_ms: int) -> list[Run]:
        """The last runs before an instant, newest first: it may have waited for one of them.

        As far back as the last one of the schedule, which may be the record of a skipped stretch
        that the instant is in.
        """
        cursor: bytes | None = b""
        found: list[Run] = []
        while cursor is not None and len(found) < _MAX_BACK:
            page = await self.store.runs.list_job(uid, cursor, _BACK, end_ms=at_ms)
            found += map(_light, page.items)
            if any(run.trigger is Trigger.SCHEDULE for run in page.items):
                break
            cursor = page.cursor
        return found

    async def _surroundings(self, lives: Sequence[Life]) -> Surroundings:
        segments = {life.job.uid: life.job.segment for life in lives}
        leases = await self.store.leases.segments()
        positions = await self.store.schedule.positions(sorted(set(segments.values())))
        sessions = await self.store.leases.sessions()
        now_ms = self.clock.now_ms()
        # Who was killed has given nothing back.
        living = {
            one.session_id for one in sessions if not one.closed and one.lease_until_ms > now_ms
        }
        return Surroundings(
            now_ms=now_ms,
            done_ms={uid: positions.get(segment, 0) for uid, segment in segments.items()},
            unowned=frozenset(
                uid for uid, segment in segments.items() if leases[segment].session_id not in living
            ),
        )

    async def _unserved(self, lives: Sequence[Life]) -> frozenset[str]:
        segments = set((await self.schedulers.overview()).unserved())
        return frozenset(life.job.uid for life in lives if life.job.segment in segments)


def _light(run: Run) -> Run:
    """A run without what may be large and explains nothing."""
    return replace(run, result=b"", detail=b"") if run.result or run.detail else run


def _unexpected(
    life: Life, runs: Runs, known: set[int], around: Surroundings
) -> dict[int, Explained]:
    """Runs of the schedule at instants that no schedule of the job has by today's zone data."""
    return {
        run.schedule_ms: explain(
            Slot(life=life, at_ms=run.schedule_ms, due_ms=run.due_ms),
            {life.job.uid: runs},
            around,
        )
        for run in runs.scheduled()
        if run.schedule_ms not in known and not run.skipped_count
    }
