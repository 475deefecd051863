"""Defects to be put into the production code on purpose: who looks for broken promises finds them.

`python -m simulator 1-20 --defect no-permission` has to end with findings. `drills.broken_worker`
runs a real worker with one of them.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from tickwheel.server.api.commands.change import Decide, JobChanger
from tickwheel.server.domain.errors import RunNotFound
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import JobKey, JobName
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.desk import OwnerDesk
from tickwheel.server.scheduler.inbox import Inbox
from tickwheel.server.scheduler.keeper import SessionKeeper, SessionLostError
from tickwheel.server.scheduler.ledger import Ledger
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.reader import Reader
from tickwheel.server.scheduler.repair import Repair
from tickwheel.server.scheduler.runs.endings import Endings
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.worker.clock import Moment
from tickwheel.worker.publisher.port import Permit
from tickwheel.worker.source import Source

#: One in so many final states is forgotten.
_FORGOTTEN = 50


def no_permission() -> None:
    """A worker publishes whatever became of its scheduler's lease."""

    def holds(_permit: Permit, _steady_ms: int) -> bool:
        return True

    _replace(Permit, "holds", holds)


def no_due_check() -> None:
    """A worker's wheel runs ahead of the clocks."""
    former = Source.time_ms

    def time_ms(source: Source, now: Moment) -> int | None:
        found = former(source, now)
        return None if found is None else found + 250

    _replace(Source, "time_ms", time_ms)


def forgotten_outcomes() -> None:
    """An owner tells the store nothing of some runs that have succeeded."""
    former = Ledger.add

    def add(ledger: Ledger, record: Run) -> None:
        is_one = record.state is RunState.SUCCEEDED and record.schedule_ms // 1000 % _FORGOTTEN == 0
        if not is_one:
            former(ledger, record)

    _replace(Ledger, "add", add)


def forgotten_ends() -> None:
    """An owner does not read which runs its predecessor has brought to an end."""
    former = SegmentOwner.recover

    def recover(
        owner: SegmentOwner,
        log: Iterable[Run],
        rows: Iterable[Run] = (),
        jobs: Mapping[JobKey, Job] | None = None,
        now_ms: int = 0,
    ) -> None:
        former(owner, [run for run in log if not run.state.is_final], rows, jobs, now_ms)

    _replace(SegmentOwner, "recover", recover)


def no_lease_check() -> None:
    """A scheduler writes and permits although its lease has ended."""

    def left_ms(_keeper: SessionKeeper) -> int:
        return 10_000

    async def renew_once(keeper: SessionKeeper) -> None:
        with contextlib.suppress(SessionLostError):
            await former(keeper)

    def stamp(keeper: SessionKeeper, segment: int, epoch: int) -> WriteStamp:
        return WriteStamp(segment, epoch, vars(keeper)["_clock"].now_us())

    former = SessionKeeper.renew_once
    _replace(SessionKeeper, "left_ms", left_ms)
    _replace(SessionKeeper, "renew_once", renew_once)
    _replace(SessionKeeper, "stamp", stamp)


def lost_letters() -> None:
    """An owner forgets the dead letters of runs that have failed."""

    def write_dead_letter(_endings: Endings, _run: LiveRun, _now_ms: int) -> None:
        return None

    _replace(Endings, "write_dead_letter", write_dead_letter)


def no_second_look() -> None:
    """An owner reads each part of the inbox and of the schedule once, however late rows come.

    Nor is anything repaired: that net below would mend it.
    """

    async def nothing(_any: Inbox | Reader | Repair) -> None:
        return None

    _replace(Inbox, "reread", nothing)
    _replace(Reader, "sweep", nothing)
    _replace(Repair, "look", nothing)


def lost_updates() -> None:
    """An api answers each change with its own, though another one was made in its place."""
    former = JobChanger.change

    async def change(
        changer: JobChanger, name: JobName, etag: str, actor: str, decide: Decide
    ) -> Job:
        job = await former(changer, name, etag, actor, decide)
        return replace(job, payload=replace(job.payload, data=job.payload.data + b"!"))

    _replace(JobChanger, "change", change)


def unheard_cancellations() -> None:
    """An owner answers that a run is cancelled, and leaves it as it is."""

    async def cancel(desk: OwnerDesk, job: Job, run_id: str, reason: str) -> Run:
        run = await vars(desk)["_store"].runs.get(job.uid, run_id)
        if run is None:
            raise RunNotFound("no")
        return replace(run, state=RunState.CANCELLED)

    _replace(OwnerDesk, "cancel", cancel)


def _replace(owner: type, name: str, by: object) -> None:
    setattr(owner, name, by)


DEFECTS: dict[str, Callable[[], None]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        no_permission,
        no_due_check,
        forgotten_outcomes,
        forgotten_ends,
        no_lease_check,
        lost_letters,
        no_second_look,
        lost_updates,
        unheard_cancellations,
    )
}
