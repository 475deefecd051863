"""What an owner holds in memory: the jobs whose next occurrence is near, and their open runs."""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from tickwheel.server.domain.job import Job, Payload
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.v1 import job_pb2

TRIGGERS = {
    EntryKind.SCHEDULE: Trigger.SCHEDULE,
    EntryKind.MANUAL: Trigger.MANUAL,
    EntryKind.RETRY: Trigger.RETRY,
    EntryKind.BACKFILL: Trigger.BACKFILL,
}


class AttemptKey(NamedTuple):
    """Names one attempt of one run on the stream."""

    uid: str
    run_id: str
    attempt: int


class Phase(enum.Enum):
    """How far a live run has come."""

    #: To be handed to a worker.
    READY = enum.auto()
    #: A worker holds it.
    ASSIGNED = enum.auto()
    #: Its outcome is known and on its way into the store.
    RECORDING = enum.auto()
    #: It was taken back before it fired.
    DROPPED = enum.auto()


@dataclass(slots=True, eq=False)
class LiveRun:
    """An occurrence between being computed and being recorded as final."""

    job: Job
    run_id: str
    kind: EntryKind
    schedule_ms: int
    due_ms: int
    ordinal: int
    traceparent: str
    attempt: int = 1
    phase: Phase = Phase.READY
    worker: str = ""
    #: Revision of the last state that was recorded; 0 for none.
    revision: int = 0
    #: Why the last attempt failed.
    error: str = ""
    #: Its own row, where it has one (all kinds but SCHEDULE).
    entry: ScheduleEntry | None = None
    #: In place of the job's payload.
    payload: Payload | None = None
    content_type: str = ""
    #: When a worker was to stop trying; see `Assignment.expire_ms`. 0 until first handed out.
    expire_ms: int = 0

    @property
    def key(self) -> AttemptKey:
        """Its name on the stream."""
        return AttemptKey(self.job.uid, self.run_id, self.attempt)

    def as_run(self, state: RunState, now_ms: int, epoch: int) -> Run:
        """The next revision of its record."""
        self.revision += 1
        return Run(
            user=self.job.user,
            job_id=self.job.job_id,
            job_uid=self.job.uid,
            run_id=self.run_id,
            segment=self.job.segment,
            state=state,
            trigger=TRIGGERS[self.kind],
            schedule_ms=self.schedule_ms,
            due_ms=self.due_ms,
            update_ms=now_ms,
            revision=self.revision,
            attempt=self.attempt,
            epoch=epoch,
            worker=self.worker,
            topic=self.job.spec.target.topic,
            error=self.error,
            traceparent=self.traceparent,
            retention_ms=retention_ms(self.job.spec),
        )


@dataclass(slots=True, eq=False)
class TrackedJob:
    """A job whose schedule entry lies inside the look-ahead.

    `next_ms` is a cursor over its occurrences: those before it are open, done or skipped.
    """

    job: Job
    schedule: Schedule
    #: The row in the store.
    entry: ScheduleEntry
    next_ms: int | None
    ordinal: int
    #: Open runs by nominal instant, ascending.
    open: dict[int, LiveRun] = field(default_factory=dict[int, LiveRun])
    #: Taken back, but not yet confirmed by the workers: nothing new is computed meanwhile.
    revoking: dict[AttemptKey, LiveRun] = field(default_factory=dict[AttemptKey, LiveRun])
    #: The run that stands for the last skipped occurrences, extended as long as they are adjacent.
    stretch: Run | None = None
    #: First occurrence (instant, ordinal) of the stretch that is not yet recorded.
    skip_from: tuple[int, int] | None = None

    def first_open(self) -> tuple[int, int] | None:
        """Instant and ordinal of the first occurrence not yet done; None when all are."""
        candidates: list[tuple[int, int]] = []
        if self.open:
            run = next(iter(self.open.values()))
            candidates.append((run.schedule_ms, run.ordinal))
        if self.revoking:
            candidates.append(min((run.schedule_ms, run.ordinal) for run in self.revoking.values()))
        if self.skip_from is not None:
            candidates.append(self.skip_from)
        if self.next_ms is not None:
            candidates.append((self.next_ms, self.ordinal))
        return min(candidates, default=None)


def retention_ms(spec: job_pb2.Job) -> int:
    """How long runs of the job are kept, in milliseconds."""
    return spec.retention.seconds * 1000 + spec.retention.nanos // 1_000_000


def catch_up_ms(spec: job_pb2.Job) -> int | None:
    """The job's catch-up window in milliseconds; None: without end, as for a one-off job."""
    if not spec.HasField("catch_up_window"):
        return None
    window = spec.catch_up_window
    return window.seconds * 1000 + window.nanos // 1_000_000
