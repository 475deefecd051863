"""Runs that are on the log though their owner knows nothing of them.

A worker published under a former owner, which ended before it could record that, and by what the
job is now (it was deleted, or has another schedule) the present owner would never fire the
occurrence. What is on the log has a run all the same: it is recorded by the worker's word.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import structlog

from tickwheel.server.domain.course import eras
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import RUN_ID_PATTERN, JobKey, occurrence_of, run_id_instant_ms
from tickwheel.server.domain.occurrence import EntryKind
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule, ScheduleError
from tickwheel.server.scheduler.apart import about, each_apart
from tickwheel.server.scheduler.bounded import MAX_CALLS
from tickwheel.server.scheduler.context import SchedulerContext
from tickwheel.server.scheduler.holding import AwaitedAck, Holding, Told
from tickwheel.server.scheduler.live import AttemptKey, LiveRun
from tickwheel.server.scheduler.skipping import schedules_of
from tickwheel.server.scheduler.versions import Versions
from tickwheel.server.trace import new_traceparent
from tickwheel.v1 import scheduler_service_pb2 as pb

_log = structlog.get_logger(__name__)

_PAGE = 20


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the store knows of some runs and their jobs."""

    runs: Mapping[tuple[str, str], Run]
    #: Those (job uid, run id) that a skipped stretch stands for.
    skipped: frozenset[tuple[str, str]]
    jobs: Mapping[JobKey, Job]
    past: Mapping[JobKey, Sequence[Job]]


class Strays:
    """Looks at outcomes that nobody waited for."""

    def __init__(
        self,
        context: SchedulerContext,
        versions: Versions,
        compile_schedule: Callable[[Job], Schedule],
        take_in: Callable[[pb.Outcome, str], bool],
    ) -> None:
        """Makes it.

        Args:
            context: the scheduler's.
            versions: knows what was told of jobs.
            compile_schedule: gives a job's schedule.
            take_in: takes in an outcome, by which worker; False: it may be forgotten at once.
        """
        self._store = context.store
        self._versions = versions
        self._clock = context.clock
        self._fleet = context.fleet
        self._holdings = context.holdings
        self._compile = compile_schedule
        self._take_in = take_in

    def hear(self, holding: Holding) -> None:
        """Takes in what was told of runs that have been opened meanwhile.

        Before those are handed out, or they would be published a second time.
        """
        for key, told in list(holding.strays.items()):
            if holding.owner.holds(key):
                self._hear(holding, key, told)

    def _hear(self, holding: Holding, key: AttemptKey, told: Told) -> None:
        holding.strays.pop(key, None)
        holding.owner.settle_foretold(key)
        if not self._take_in(told.outcome, told.worker):
            self._fleet.acknowledge(told.worker, [told.outcome.key])

    async def settle(self) -> None:
        """Records what is to be recorded, and has the workers forget the rest."""
        some = [one for one in self._holdings.values() if one.strays and one.ready]
        await each_apart(about(some, self._settle_some))

    async def _settle_some(self, holding: Holding) -> None:
        some = dict(islice(holding.strays.items(), MAX_CALLS))
        facts = await self._facts(list(some.values()))
        for key, told in some.items():
            if self._holdings.get(holding.segment) is holding and key in holding.strays:
                self._settle(holding, key, told, facts)

    async def _facts(self, strays: Sequence[Told]) -> _Facts:
        names = [(told.outcome.key.job_uid, told.outcome.key.run_id) for told in strays]
        runs = await self._store.runs.get_many(names)
        keys = {JobKey(told.outcome.user, told.outcome.key.job_uid) for told in strays}
        jobs = await self._store.jobs.get_many(keys)
        histories = await asyncio.gather(*(self._store.jobs.history(key) for key in jobs))
        past = {
            key: [record.job for record in history]
            for key, history in zip(jobs, histories, strict=True)
        }
        unknown = [
            (job, run_id)
            for job in jobs.values()
            for uid, run_id in names
            if uid == job.uid and (uid, run_id) not in runs
        ]
        covered = await asyncio.gather(
            *(self._is_skipped(job, past[job.key], run_id) for job, run_id in unknown)
        )
        skipped = frozenset(
            (job.uid, run_id)
            for (job, run_id), is_so in zip(unknown, covered, strict=True)
            if is_so
        )
        return _Facts(runs, skipped, jobs, past)

    async def _is_skipped(self, job: Job, former: Sequence[Job], run_id: str) -> bool:
        """Whether one of the records that stand for several skipped occurrences has this one."""
        occurrence = occurrence_of(run_id)
        if occurrence is None:
            return False
        nominal_ms, backfill_id = occurrence
        trigger = Trigger.BACKFILL if backfill_id else Trigger.SCHEDULE
        schedules = list(_schedules(job, former, self._compile))
        cursor: bytes | None = b""
        while cursor is not None:
            page = await self._store.runs.list_job(job.uid, cursor, _PAGE, end_ms=nominal_ms + 1)
            for run in page.items:
                if (run.trigger, run.backfill_id) != (trigger, backfill_id):
                    continue
                if run.state is not RunState.SKIPPED or run.last_schedule_ms < nominal_ms:
                    return False
                if backfill_id:
                    return True
                first_ms, last_ms = run.first_schedule_ms, run.last_schedule_ms
                its = schedules_of(first_ms, last_ms, run.skipped_count, schedules)
                if any(one.occurs_at(nominal_ms) for one in its):
                    return True
            cursor = page.cursor
        return False

    def _settle(self, holding: Holding, key: AttemptKey, told: Told, facts: _Facts) -> None:
        outcome, worker = told
        name = (key.uid, key.run_id)
        if holding.owner.knows(*name):
            self._hear(holding, key, told)
            return
        job_key = JobKey(outcome.user, key.uid)
        known = facts.runs.get(name)
        job = facts.jobs.get(job_key)
        if job is not None and self._versions.is_outdated(job):
            # It was changed while the facts were read: its further attempts go by that.
            return
        del holding.strays[key]
        holding.owner.settle_foretold(key)
        is_known = name in facts.skipped or (known is not None and known.state.is_final)
        if is_known or job is None:
            if job is None:
                # The job's name is gone with it, unless the run was recorded.
                _log.warning(
                    "a run of a job that is gone was published",
                    job=str(known.name.job) if known else key.uid,
                    run=str(known.name) if known else key.run_id,
                    trace=known.trace_id if known else "",
                )
            self._fleet.acknowledge(worker, [outcome.key])
            return
        run = stray_run(name[1], key.attempt, job, facts.past.get(job_key, ()), self._compile)
        run.record = known
        record = holding.owner.take_stray(
            run, worker, outcome.epoch, outcome.published, self._clock.now_ms()
        )
        holding.await_ack(AwaitedAck(worker, outcome.key, record.revision))
        _log.info(
            "a run is recorded by its worker's word",
            job=str(record.name.job),
            run=str(record.name),
            trace=record.trace_id,
            worker=worker,
        )


def stray_run(
    run_id: str,
    attempt: int,
    job: Job,
    former: Sequence[Job],
    compile_schedule: Callable[[Job], Schedule],
) -> LiveRun:
    """The run that a published record stands for, as far as its name tells.

    Args:
        run_id: the run's.
        attempt: which one was published.
        job: as it is now.
        former: its former versions, oldest first.
        compile_schedule: gives a job's schedule.
    """
    nominal_ms = run_id_instant_ms(run_id) or 0
    kind, backfill_id = _kind_of(run_id)
    due_ms = nominal_ms
    for schedule in _schedules(job, former, compile_schedule):
        if schedule.occurs_at(nominal_ms):
            due_ms = schedule.due(nominal_ms, salt=job.uid)
            break
    return LiveRun(
        job=job,
        run_id=run_id,
        kind=kind,
        schedule_ms=nominal_ms,
        due_ms=due_ms,
        ordinal=0,
        traceparent=new_traceparent(),
        fire_ms=due_ms,
        attempt=attempt,
        backfill_id=backfill_id,
    )


def _schedules(
    job: Job, former: Sequence[Job], compile_schedule: Callable[[Job], Schedule]
) -> Iterator[Schedule]:
    """A job's schedules, as far as they are known here."""
    for era in eras(job, former).values():
        with suppress(ScheduleError):
            yield compile_schedule(era.job)


def _kind_of(run_id: str) -> tuple[EntryKind, str]:
    """Why a run is there, by its id, and which backfill it belongs to."""
    match = RUN_ID_PATTERN.fullmatch(run_id)
    _, manual, backfill, retry = match.groups() if match else (None, None, None, None)
    if retry:
        return EntryKind.RETRY, ""
    if manual:
        return EntryKind.MANUAL, ""
    return (EntryKind.BACKFILL, backfill) if backfill else (EntryKind.SCHEDULE, "")
