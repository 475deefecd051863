"""Looks for jobs that nothing would fire any more, and for what stands for nothing, and mends it.

None of it ought to be. Where it is, somebody has changed the store by hand, restored a part of it,
or lost writes that it had acknowledged; or there is a defect. So the search is slow and steady: a
few jobs at a time, however many there are, and what seems to be missing has to be missing for a
while. To mend what was not broken is harmless: a second row of a job goes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, JobName
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.schedule import ScheduleError
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.inbox import Inbox, News
from tickwheel.server.scheduler.lost import (
    has_more_to_come,
    lost_row,
    newest_known_ms,
    next_due_ms,
)
from tickwheel.server.scheduler.reader import CATCH_UP_STRETCH_MS, Reader
from tickwheel.server.scheduler.rederiver import Rederiver
from tickwheel.server.scheduler.rederiving import DIFFERENCE_MS, depends_on_zone
from tickwheel.server.scheduler.repairs import Mended
from tickwheel.server.store.port import Spot

_log = structlog.get_logger(__name__)

#: Jobs that are looked at in one step.
JOBS: Final = 100
#: Suspects of which the truth is found out in one step.
CONFIRMED: Final = 20
#: Of more suspects than this the further ones wait for the next pass.
MAX_SUSPECTS: Final = 10_000
#: Runs of a job's history that are read at once.
_RUNS: Final = 100
#: A segment with more open runs has its rows compared when it changes its owner only.
MAX_OPEN_RUNS: Final = 5_000
#: An open run's row may be under way for as long after its run was made.
_FRESH_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A job whose row was not where it has to be."""

    version: int
    segment: int
    epoch: int
    #: Since when, by the steady clock.
    since_ms: int


class Repair:
    """The mending side of one scheduler; it looks at jobs of the segments that are owned."""

    def __init__(
        self, context: SchedulerContext, reader: Reader, inbox: Inbox, rederiver: Rederiver
    ) -> None:
        """Makes it.

        Args:
            context: the scheduler's.
            reader: takes in what was mended.
            inbox: takes in changes of which nobody has told.
            rederiver: knows whose rows are being moved.
        """
        self._store = context.store
        self._clock = context.clock
        self._options = context.options
        self._keeper = context.keeper
        self._holdings = context.holdings
        self._repairs = context.repairs
        self._wake = context.wake
        self._reader = reader
        self._inbox = inbox
        self._rederiver = rederiver
        self._cursor = b""
        self._begun_steady_ms = 0
        self._next_steady_ms = 0
        self._suspects: dict[JobKey, _Suspect] = {}
        #: Segments whose runs are still to be looked at in this pass.
        self._to_visit: list[int] = []
        #: Rows among the open runs that belonged to no open run in the last pass, by segment.
        self._strange: dict[int, set[tuple[str, str]]] = {}

    async def look(self) -> None:
        """One step: suspects whose time has come, one segment's runs, some more jobs."""
        if not self._holdings:
            return
        await self._confirm()
        steady_ms = self._clock.steady_ms()
        if not self._cursor:
            if steady_ms >= self._next_steady_ms:
                self._begun_steady_ms = steady_ms
                self._next_steady_ms = steady_ms + self._options.repair_pass_ms
                self._to_visit = list(self._holdings)
                await self._look_at_more()
        else:
            await self._look_at_more()
        if self._to_visit:
            await self._look_at_runs(self._to_visit.pop())

    def _at_rest(self, segment: int) -> Holding | None:
        """The segment's holding, where all that its rows say is known and none is on the move."""
        holding = self._holdings.get(segment)
        if holding is None or not holding.ready or holding.leaving:
            return None
        # What former owners left is not taken in altogether.
        if holding.taken_ms or holding.unchecked:
            return None
        is_read = holding.read_to_ms > self._clock.now_ms()
        return holding if is_read and self._rederiver.is_settled(holding) else None

    # -- jobs without a row ------------------------------------------------------------------

    async def _look_at_more(self) -> None:
        page = await self._store.jobs.scan(self._cursor, JOBS)
        await self._take_in_untold(page.items)
        for job in await self._rowless(page.items):
            holding = self._at_rest(job.segment)
            if holding is not None and len(self._suspects) < MAX_SUSPECTS:
                suspect = _Suspect(job.version, job.segment, holding.epoch, self._clock.steady_ms())
                self._suspects.setdefault(job.key, suspect)
        self._cursor = page.cursor or b""

    async def _take_in_untold(self, jobs: Iterable[Job]) -> None:
        """Changes whose api ended, or lost the store, before it could tell of them, stand as well.

        Nobody was answered, so nothing was promised; but an owner that has the job at hand would
        go by its former version for as long as it has.
        """
        untold = [
            News(job.key, job.segment, job.version)
            for job in jobs
            if (holding := self._at_rest(job.segment)) is not None
            and holding.owner.is_behind(job.uid, job.version)
        ]
        if untold:
            await self._inbox.notice(untold)

    async def _rowless(self, jobs: Iterable[Job]) -> list[Job]:
        """Those that have more to come, and no row where their next owner would find it."""
        due: list[tuple[Job, int | None]] = []
        for job in jobs:
            holding = self._at_rest(job.segment)
            if holding is None or not has_more_to_come(job):
                continue
            if holding.owner.has_at_hand(job.uid):
                continue
            try:
                due.append((job, next_due_ms(job, schedule_of(job), holding.read_to_ms)))
            except ScheduleError:
                # It cannot be fired by anybody.
                continue
        spots = [Spot(job.segment, at_ms, job.uid) for job, at_ms in due if at_ms is not None]
        rows = await self._store.schedule.read_at(spots) if spots else []
        there = {(row.key, row.generation) for row in rows if row.kind is EntryKind.SCHEDULE}
        return [
            job
            for job, _ in due
            if (job.key, job.generation) not in there
            # Its row was read, and moved, meanwhile.
            and (holding := self._holdings.get(job.segment)) is not None
            and not holding.owner.has_at_hand(job.uid)
        ]

    async def _confirm(self) -> None:
        """Finds out the truth about those who have been suspects for long enough."""
        steady_ms = self._clock.steady_ms()
        looked_at = 0
        for key, suspect in list(self._suspects.items()):
            holding = self._holdings.get(suspect.segment)
            if holding is None or holding.epoch != suspect.epoch:
                del self._suspects[key]
                continue
            if steady_ms - suspect.since_ms < self._options.repair_doubt_ms:
                break
            if looked_at >= CONFIRMED:
                break
            if holding.owner.has_at_hand(key.uid):
                del self._suspects[key]
                continue
            if self._at_rest(suspect.segment) is None or holding.advances or holding.unloaded:
                continue
            looked_at += 1
            await self._look_closely(key, suspect, holding)
            # Not before: what could not be read or written is tried again.
            self._suspects.pop(key, None)

    async def _look_closely(self, key: JobKey, suspect: _Suspect, holding: Holding) -> None:
        job = (await self._store.jobs.get_many([key])).get(key)
        if job is None or job.version != suspect.version or not await self._rowless([job]):
            return
        schedule = schedule_of(job)
        late = await self._late_rows(job, holding)
        if late:
            await self._reader.load(late)
            self._mended(Mended.LATE_ROW, job)
            return
        due_ms = next_due_ms(job, schedule, holding.read_to_ms)
        if due_ms is not None and await self._is_near(job, due_ms):
            return
        former = [record.job for record in await self._store.jobs.history(key)]
        runs = await self._runs_of(job)
        newest_ms = newest_known_ms(job, schedule, runs)
        now_ms = self._clock.now_ms()
        try:
            row = lost_row(job, former, schedule, newest_ms, now_ms, schedule_of)
        except ScheduleError:
            # A former one cannot be computed here, and so it is not known how many runs are left.
            return
        if newest_ms is not None and newest_ms > now_ms and row is not None:
            # Our clock was set back, and the row is where it was by the former one: at what was
            # not done then, or not known to be.
            ahead = await self._store.schedule.read_due(
                [job.segment], holding.read_to_ms, row.fire_ms + 1
            )
            if any(_is_of(one, job) for one in ahead):
                return
        if not self._is_ours(holding) or holding.owner.has_at_hand(job.uid):
            return
        await self._mend(job, row, runs, holding)
        self._mended(Mended.JOB_WITHOUT_ROW, job)

    async def _late_rows(self, job: Job, holding: Holding) -> list[ScheduleEntry]:
        """The job's rows that stand where everything was read already."""
        start_ms = max(holding.position_ms, holding.read_to_ms - CATCH_UP_STRETCH_MS)
        rows = await self._store.schedule.read_due([job.segment], start_ms, holding.read_to_ms)
        return [row for row in rows if _is_of(row, job)]

    async def _is_near(self, job: Job, due_ms: int) -> bool:
        """Whether it has a row that somebody wrote by other time-zone data."""
        if not depends_on_zone(job.spec.schedule):
            return False
        rows = await self._store.schedule.read_due(
            [job.segment], due_ms - DIFFERENCE_MS, due_ms + DIFFERENCE_MS
        )
        return any(_is_of(row, job) for row in rows)

    async def _runs_of(self, job: Job) -> list[Run]:
        """Runs of a job, newest first, as far back as one of which `newest_known_ms` knows."""
        runs: list[Run] = []
        cursor = b""
        schedule = schedule_of(job)
        while True:
            page = await self._store.runs.list_job(job.uid, cursor, _RUNS)
            runs.extend(page.items)
            if page.cursor is None or newest_known_ms(job, schedule, page.items) is not None:
                return runs
            cursor = page.cursor

    async def _mend(
        self, job: Job, row: ScheduleEntry | None, runs: Sequence[Run], holding: Holding
    ) -> None:
        """Gives a job its row back; None: all its occurrences are done, and it is completed."""
        stamp = self._keeper.stamp(holding.segment, holding.epoch)
        now_ms = self._clock.now_ms()
        if row is None:
            await self._store.jobs.complete(stamp, [(job.key, job.generation)], now_ms)
            return
        async with holding.advancing:
            await self._store.schedule.advance(stamp, [row], [])
        await self._reader.load([row])
        # What was recorded as due and no more goes on, or ends.
        for run in holding.owner.unknown_of(runs):
            holding.owner.take_late(run, job, self._clock.now_ms())
        self._wake.set()

    def _is_ours(self, holding: Holding) -> bool:
        return self._holdings.get(holding.segment) is holding and not holding.leaving

    def _mended(self, what: Mended, of: Job | Run, run: Run | None = None) -> None:
        self._repairs[what] += 1
        name = JobName(of.user, of.job_id)
        about = {"run": str(run.name), "trace": run.trace_id} if run is not None else {}
        _log.warning("mended", what=what.value, job=str(name), segment=of.segment, **about)

    # -- runs that nobody is at work with ----------------------------------------------------

    async def _look_at_runs(self, segment: int) -> None:
        holding = self._at_rest(segment)
        if holding is None:
            return
        for waiting in holding.owner.release_waiting(self._clock.now_ms()):
            self._mended(Mended.WAITING_RUN, waiting.job, waiting.record)
            self._wake.set()
        if len(holding.owner.runs) <= MAX_OPEN_RUNS:
            await self._compare_open_runs(holding)

    async def _compare_open_runs(self, holding: Holding) -> None:
        """Takes away rows of runs that have ended, goes on with those that have not."""
        settled_ms = self._clock.now_ms() - _FRESH_MS
        strange = {
            (run.job_uid, run.run_id): run
            for run in await self._store.open_runs.read([holding.segment])
            if run.create_ms < settled_ms
            and not holding.owner.runs.is_open(run.job_uid, run.run_id)
        }
        known = self._strange.get(holding.segment, set())
        # They may have ended while the rows were read: in the next pass these are gone.
        self._strange[holding.segment] = set(strange)
        for name in strange.keys() & known:
            await self._settle(strange[name], holding)

    async def _settle(self, row: Run, holding: Holding) -> None:
        run = await self._store.runs.get(row.job_uid, row.run_id) or row
        if not self._is_ours(holding) or holding.owner.runs.is_open(run.job_uid, run.run_id):
            return
        if run.state.is_final:
            stamp = self._keeper.stamp(holding.segment, holding.epoch)
            await self._store.open_runs.remove(stamp, [row])
        else:
            job = (await self._store.jobs.get_many([run.key])).get(run.key)
            if job is None or not holding.owner.unknown_of([run]):
                return
            holding.owner.take_late(run, job, self._clock.now_ms())
            self._wake.set()
        self._mended(Mended.OPEN_RUN, run, run)


def _is_of(row: ScheduleEntry, job: Job) -> bool:
    """Whether a row is that of the job's present schedule."""
    is_schedule = row.kind is EntryKind.SCHEDULE
    return is_schedule and row.uid == job.uid and row.generation == job.generation
