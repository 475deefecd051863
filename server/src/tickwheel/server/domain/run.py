"""A run: one occurrence (or trigger) of a job and what became of it."""

import enum
from dataclasses import dataclass

from tickwheel.server.domain.names import JobKey, JobName, RunName
from tickwheel.v1 import run_pb2


class RunState(enum.IntEnum):
    """The numbers are those of tickwheel.v1.Run.State; see docs/state_machine.md."""

    PENDING = run_pb2.RUN_STATE_PENDING
    PUBLISHED = run_pb2.RUN_STATE_PUBLISHED
    RUNNING = run_pb2.RUN_STATE_RUNNING
    SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED
    FAILED = run_pb2.RUN_STATE_FAILED
    CANCELLED = run_pb2.RUN_STATE_CANCELLED
    SKIPPED = run_pb2.RUN_STATE_SKIPPED

    @property
    def is_final(self) -> bool:
        """Whether a run in this state stays in it for ever."""
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED}
)


class Trigger(enum.IntEnum):
    """Why a run is there; the numbers are those of tickwheel.v1.Trigger."""

    SCHEDULE = run_pb2.TRIGGER_SCHEDULE
    MANUAL = run_pb2.TRIGGER_MANUAL
    BACKFILL = run_pb2.TRIGGER_BACKFILL
    RETRY = run_pb2.TRIGGER_RETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run in one state. All instants in Unix milliseconds, 0 where it has not come to that."""

    user: str
    job_id: str
    job_uid: str
    run_id: str
    segment: int
    state: RunState
    trigger: Trigger
    schedule_ms: int
    due_ms: int
    #: When this state was recorded, by the owner's clock.
    update_ms: int
    #: From 1; grows with each state of the run that is recorded.
    revision: int = 1
    publish_ms: int = 0
    start_ms: int = 0
    end_ms: int = 0
    attempt: int = 1
    epoch: int = 0
    worker: str = ""
    topic: str = ""
    #: -1 while it is not on the log.
    partition: int = -1
    offset: int = -1
    error: str = ""
    #: A number of tickwheel.v1.SkipReason, 0 unless SKIPPED.
    skip_reason: int = 0
    #: Occurrences that a SKIPPED run stands for; 0 for all others.
    skipped_count: int = 0
    first_schedule_ms: int = 0
    last_schedule_ms: int = 0
    #: W3C trace context of the run.
    traceparent: str = ""
    #: How long the run is kept after `update_ms`, in milliseconds.
    retention_ms: int = 604_800_000

    @property
    def key(self) -> JobKey:
        """The job it belongs to."""
        return JobKey(self.user, self.job_uid)

    @property
    def name(self) -> RunName:
        """Its resource name."""
        return RunName(JobName(self.user, self.job_id), self.run_id)

    @property
    def trace_id(self) -> str:
        """32 hex digits, or empty."""
        return self.traceparent[3:35]
