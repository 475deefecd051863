"""What the api asks of the owner of a segment: changes, runs by hand, reports."""

import asyncio
from collections.abc import Iterable, Sequence

from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.errors import (
    ChangeUnconfirmed,
    Fenced,
    Overloaded,
    RunNotFound,
    RunStateWrong,
    SegmentUnowned,
    StoreUnavailable,
    TickwheelError,
)
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import backfill_run_id, discriminator_of
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.report import Answer, Report
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.owner.port import BackfillRequest, TriggerRequest
from tickwheel.server.scheduler.awaited import Awaited
from tickwheel.server.scheduler.bounded import bounded
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import Holding
from tickwheel.server.scheduler.inbox import Inbox, News
from tickwheel.server.scheduler.live import AttemptKey, Phase
from tickwheel.server.scheduler.override import encode_override
from tickwheel.server.scheduler.own_runs import own_run
from tickwheel.server.scheduler.reader import Reader
from tickwheel.server.scheduler.recorder import Recorder
from tickwheel.server.scheduler.reporting import NotPublishedYetError
from tickwheel.server.scheduler.reports import check_ended, is_executors, needs_no_report
from tickwheel.server.scheduler.terms import is_reported
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.trace import new_traceparent

#: A report that came before the worker's word that its attempt is on the log waits for that word.
EARLY_REPORT_S = 2.0


class OwnerDesk:
    """Answers once what was asked is stored."""

    def __init__(
        self,
        context: SchedulerContext,
        versions: Versions,
        reader: Reader,
        inbox: Inbox,
        recorder: Recorder,
    ) -> None:
        """Makes it.

        Args:
            context: the scheduler's.
            versions: knows what was told of jobs.
            reader: takes in rows that were written here.
            inbox: takes in changes of jobs.
            recorder: writes what is to be stored before the answer.
        """
        self._store = context.store
        self._clock = context.clock
        self._options = context.options
        self._keeper = context.keeper
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._pressure = context.pressure
        self._wake = context.wake
        self._versions = versions
        self._reader = reader
        self._inbox = inbox
        self._recorder = recorder
        self._awaited = Awaited()
        self._triggering: dict[tuple[str, str], asyncio.Task[Run]] = {}
        self._backfilling: dict[tuple[str, str], asyncio.Task[None]] = {}

    def resolve(self, keys: Iterable[AttemptKey]) -> None:
        """Something is known about these attempts: whoever waits for that goes on."""
        self._awaited.resolve(keys)

    def _owned(self, segment: int) -> Holding:
        holding = self._holdings.get(segment)
        if holding is None or not holding.ready or holding.leaving:
            raise SegmentUnowned("this scheduler does not own the segment")
        if self._keeper.left_ms() <= 0:
            raise SegmentUnowned("this scheduler's session has run out")
        return holding

    def _check_room(self) -> None:
        """Refuses what would only add to what waits.

        Raises:
            Overloaded: far too much does.
        """
        if self._pressure.is_high():
            raise Overloaded("too many runs wait to be published; come again")

    async def _write(self, holding: Holding) -> None:
        """Stores what was decided.

        Raises:
            SegmentUnowned: the session has run out meanwhile.
            StoreUnavailable: it is not stored yet; it is tried again.
        """
        try:
            await self._recorder.write(holding)
        except Fenced as error:
            raise SegmentUnowned(error.message) from error

    async def _put_row(self, holding: Holding, entry: ScheduleEntry) -> None:
        """Writes a row of the schedule. Whether that made it this owner's is still to be seen.

        Raises:
            SegmentUnowned: the session has run out, or somebody else owns the segment.
            StoreUnavailable: it is not known to be written.
        """
        try:
            stamp = self._keeper.stamp(holding.segment, holding.epoch)
            await self._store.schedule.advance(stamp, [entry], [])
        except Fenced as error:
            raise SegmentUnowned(error.message) from error

    # -- changes of jobs ---------------------------------------------------------------------

    async def notify(self, news: Sequence[News]) -> list[bool]:
        """Takes in changes of jobs now; True where no former version can fire.

        Raises:
            SegmentUnowned: for none of them is this the owner.
        """
        if not any(one.segment in self._holdings for one in news):
            raise SegmentUnowned("this scheduler does not own the segment")
        await self._inbox.notice(news)
        self._wake.set()
        revoked = [
            attempt
            for one in news
            if one.segment in self._holdings
            for attempt in self._holdings[one.segment].owner.revoking(one.key.uid)
        ]
        await self._awaited.wait(revoked, self._options.confirm_ms / 1000)
        return [self._is_settled(one) for one in news]

    def _is_settled(self, one: News) -> bool:
        holding = self._holdings.get(one.segment)
        # Who slept past its lease holds nothing any more, and may not know it yet.
        if holding is None or self._keeper.left_ms() <= 0:
            return False
        owner = holding.owner
        return not owner.is_behind(one.key.uid, one.version) and not owner.revoking(one.key.uid)

    # -- runs by hand ------------------------------------------------------------------------

    async def trigger(self, request: TriggerRequest) -> Run:
        """Fires a run by hand, or a retry of one, once its row is stored.

        Raises:
            SegmentUnowned: this is not the owner, or it is not ready.
            Overloaded: far too much waits to be published.
        """
        mark = (request.job.uid, discriminator_of(request.run_id))
        task = self._triggering.get(mark)
        if task is None:
            # The same request twice at once is one run.
            task = asyncio.get_running_loop().create_task(self._trigger(request))
            self._triggering[mark] = task
            task.add_done_callback(lambda _: self._triggering.pop(mark, None))
        return await asyncio.shield(task)

    async def _trigger(self, request: TriggerRequest) -> Run:
        job = request.job
        holding = self._owned(job.segment)
        existing = await self._triggered(holding, job.uid, request.run_id)
        if existing is not None:
            return existing
        self._check_room()
        now = self._clock.now_ms()
        entry = ScheduleEntry(
            segment=job.segment,
            fire_ms=now,
            user=job.user,
            uid=job.uid,
            kind=EntryKind.RETRY if request.retried_run else EntryKind.MANUAL,
            generation=job.generation,
            schedule_ms=request.schedule_ms,
            # It may have been asked for long before: a repeated request names the first one's run.
            due_ms=max(now, request.schedule_ms),
            run_id=request.run_id,
            detail=encode_override(request),
        )
        await self._put_row(holding, entry)
        # It may have been changed since the api read it, and that been confirmed by now.
        job = await self._versions.present(job)
        run = own_run(job, entry, new_traceparent)
        record = holding.owner.trigger(entry, run, now)
        self._fleet.revoke(holding.owner.take_revocations())
        self._wake.set()
        if record is None:
            raise SegmentUnowned("the run is being fired already; ask for it again")
        await self._write(holding)
        return record

    async def _triggered(self, holding: Holding, uid: str, run_id: str) -> Run | None:
        """The run that the same request has made before, once it is stored; None: none has.

        Whoever asked first may have been told that the store is away, or have asked a former owner.
        """
        twin = holding.owner.twin_of(uid, run_id) or run_id
        record = holding.owner.record_of(uid, twin, self._clock.now_ms())
        if record is not None:
            await self._write(holding)
            return record
        stored = await self._store.runs.get(uid, twin)
        if stored is None and holding.owner.knows(uid, twin):
            raise SegmentUnowned("the run cannot be read yet; ask for it again")
        return stored

    async def backfill(self, request: BackfillRequest) -> None:
        """Begins a backfill; answered once its row is stored. The same id again changes nothing.

        Raises:
            SegmentUnowned: this is not the owner, or it is not ready.
            Overloaded: far too much waits to be published.
        """
        mark = (request.job.uid, request.backfill_id)
        task = self._backfilling.get(mark)
        if task is None:
            # A second row would have it all run once more, by the next owner.
            task = asyncio.get_running_loop().create_task(self._backfill(request))
            self._backfilling[mark] = task
            task.add_done_callback(lambda _: self._backfilling.pop(mark, None))
        await asyncio.shield(task)

    async def _backfill(self, request: BackfillRequest) -> None:
        job = request.job
        holding = self._owned(job.segment)
        if holding.owner.is_backfilling(job.uid, request.backfill_id):
            return
        first = backfill_run_id(request.first_ms, request.backfill_id)
        if await self._store.runs.get(job.uid, first) is not None:
            return
        self._check_room()
        now = self._clock.now_ms()
        detail = storage_pb2.BackfillRecord(
            end_ms=request.end_ms,
            overlap_policy=request.overlap_policy,
            traceparent=request.traceparent,
        )
        entry = ScheduleEntry(
            segment=job.segment,
            fire_ms=now,
            user=job.user,
            uid=job.uid,
            kind=EntryKind.BACKFILL,
            generation=request.generation or job.generation,
            schedule_ms=request.first_ms,
            due_ms=now,
            run_id=request.backfill_id,
            detail=detail.SerializeToString(),
        )
        await self._put_row(holding, entry)
        # The job may have been changed since the api read it, and that been confirmed by now.
        await self._reader.take_in(entry)
        if self._owned(job.segment) is not holding:
            # The next owner may have read this part of the schedule before the row was there.
            raise SegmentUnowned("the segment has another owner by now")
        self._wake.set()

    async def cancel(self, job: Job, run_id: str, reason: str) -> Run:
        """Cancels a run as far as that is possible, and returns it as it is stored.

        Raises:
            SegmentUnowned: this is not the owner, or it is not ready.
            RunNotFound: there is no such run.
            RunStateWrong: it has ended otherwise.
            ChangeUnconfirmed: a worker has not answered yet whether it has published it.
        """
        holding = self._owned(job.segment)
        run = holding.owner.cancel(job.uid, run_id, reason, self._clock.now_ms())
        if run is None:
            return await self._ended(job, run_id)
        revoked = holding.owner.take_revocations()
        if revoked:
            self._fleet.revoke(revoked)
            if run.phase is Phase.ASSIGNED:
                await self._awaited.wait([run.key], self._options.confirm_ms / 1000)
        await self._write(holding)
        record = run.record
        if run.phase is Phase.ASSIGNED and not (record is not None and record.cancel_requested):
            raise ChangeUnconfirmed(
                "it is not known yet whether the run was published: ask again",
            )
        if record is None:
            raise SegmentUnowned("the run is being taken back; ask again")
        return _cancelled(record)

    async def _ended(self, job: Job, run_id: str) -> Run:
        record = await self._store.runs.get(job.uid, run_id)
        if record is None:
            raise RunNotFound(f"{job.name} has no run {run_id}", run=run_id)
        return _cancelled(record)

    # -- executors' reports ------------------------------------------------------------------

    async def report(self, reports: Sequence[Report]) -> list[Answer | TickwheelError]:
        """Takes reports in; an answer for each, once it is stored."""
        answers: list[Answer | TickwheelError] = [
            SegmentUnowned("this scheduler does not own the segment") for _ in reports
        ]
        holders: list[Holding | None] = [None] * len(reports)
        early = self._apply(reports, answers, holders, range(len(reports)))
        if early:
            keys = {AttemptKey(r.job_uid, r.run_id, r.attempt) for r in (reports[i] for i in early)}
            await self._awaited.wait(keys, EARLY_REPORT_S)
            self._apply(reports, answers, holders, early)

        async def look_up(index: int, holder: Holding) -> None:
            answers[index] = await self._look_up(reports[index], holder)

        await bounded(
            look_up(index, holder)
            for index, holder in enumerate(holders)
            if answers[index] is _ASK_THE_STORE and holder is not None
        )
        await self._store_reports(answers, holders)
        self._wake.set()
        return answers

    def _apply(
        self,
        reports: Sequence[Report],
        answers: list[Answer | TickwheelError],
        holders: list[Holding | None],
        indices: Iterable[int],
    ) -> list[int]:
        """Applies some reports; returns those whose attempt is not known to be published.

        `holders` are told who has taken in which report, and has to store what follows from it.
        """
        early: list[int] = []
        now = self._clock.now_ms()
        for index in indices:
            report = reports[index]
            try:
                holders[index] = holding = self._owned(report.segment)
                answers[index] = holding.owner.report(report, now) or _ASK_THE_STORE
            except NotPublishedYetError:
                early.append(index)
                answers[index] = SegmentUnowned(
                    f"{report.run_name}: it is not known yet that this attempt is on the log"
                )
            except TickwheelError as error:
                answers[index] = error
        return early

    async def _look_up(self, report: Report, holding: Holding) -> Answer | TickwheelError:
        """Answers a report about a run that is not live."""
        try:
            record = await self._store.runs.get(report.job_uid, report.run_id)
            if record is None:
                if holding.may_come_to_know(report.job_uid, report.run_id, self._clock.now_ms()):
                    return _unknown_yet(report)
                return RunNotFound(f"there is no run {report.run_name}", run=report.run_name)
            job = (await self._store.jobs.get_many([record.key])).get(record.key)
            if job is not None and not (is_reported(job.spec) or is_executors(record)):
                return needs_no_report(report, record)
            if not record.state.is_final:
                return _unknown_yet(report)
            check_ended(report, record)
        except TickwheelError as error:
            return error
        return Answer()

    async def _store_reports(
        self, answers: list[Answer | TickwheelError], holders: Sequence[Holding | None]
    ) -> None:
        """Stores what follows from the reports; those that could not be are to be repeated."""

        async def store(holding: Holding) -> None:
            try:
                await self._write(holding)
            except (SegmentUnowned, StoreUnavailable) as error:
                for index, holder in enumerate(holders):
                    if holder is holding and isinstance(answers[index], Answer):
                        answers[index] = error

        # A call has reports of all segments: one after the other they would wait for each other.
        await bounded(map(store, dict.fromkeys(h for h in holders if h is not None)))


_ASK_THE_STORE = Answer(timeout_ms=-1)


def _unknown_yet(report: Report) -> SegmentUnowned:
    """The run may be on its way to this owner, from the schedule or from a former owner."""
    return SegmentUnowned(f"{report.run_name}: its owner does not know it yet")


def _cancelled(record: Run) -> Run:
    """A run of which a cancellation was asked for, unless it is too late for that, or too soon."""
    if not record.state.is_final and not record.cancel_requested:
        # It is still to be gone over by its owner, or is being taken back to be gone over again.
        raise SegmentUnowned(f"{record.name}: its owner does not have it at hand; ask again")
    if record.state.is_final and record.state is not RunState.CANCELLED:
        raise RunStateWrong(
            f"{record.name} is {record.state.name} already",
            run=str(record.name),
            state=f"RUN_STATE_{record.state.name}",
        )
    return record
