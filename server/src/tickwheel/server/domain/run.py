"""A run: one occurrence (or trigger) of a job and what became of it."""

import enum

from tickwheel.server.domain.names import JobKey, JobName, RunName
from tickwheel.server.domain.value import value
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


class Limit(enum.IntEnum):
    """What of the operator's limits over many jobs holds a run back; numbers as stored."""

    NONE = 0
    USER_IN_FLIGHT = 1
    TOPIC_IN_FLIGHT = 2
    TOPIC_RATE = 3


@value
class PastAttempt:
    """An attempt that ended without ending its run. Instants in Unix milliseconds, 0 for none."""

    attempt: int
    state: RunState
    due_ms: int
    publish_ms: int = 0
    start_ms: int = 0
    end_ms: int = 0
    worker: str = ""
    executor: str = ""
    topic: str = ""
    partition: int = -1
    offset: int = -1
    fence: int = 0
    error: str = ""
    error_type: str = ""
    error_details: str = ""
    held_by: Limit = Limit.NONE
    held_ms: int = 0


@value
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
    #: When its first state was made.
    create_ms: int = 0
    #: When the present attempt was due: later than the run itself where it is not the first one,
    #: has waited for another run, was held back by a limit, or was past already when the job was
    #: accepted. 0: as the run.
    attempt_due_ms: int = 0
    #: The epoch under which the present attempt was published.
    fence: int = 0
    executor: str = ""
    cancel_requested: bool = False
    next_attempt_ms: int = 0
    error_type: str = ""
    error_details: str = ""
    #: What the executor last said, 0 to 1, and when; 0 for never.
    progress_fraction: float = 0.0
    progress_message: str = ""
    progress_ms: int = 0
    #: Compact JSON, empty for none.
    result: bytes = b""
    #: The run ids of the run that this one retries, and of the one that it waits for.
    retried_run: str = ""
    blocking_run: str = ""
    backfill_id: str = ""
    #: Set once its dead-letter record is published.
    dead_letter_topic: str = ""
    #: A number of tickwheel.v1.Overlap; 0 for the job's own policy.
    overlap_policy: int = 0
    #: What differs from the job for this run, as in ScheduleEntry.
    detail: bytes = b""
    past_attempts: tuple[PastAttempt, ...] = ()
    #: The limit that holds or held the present attempt back, and for how long by then, in ms.
    held_by: Limit = Limit.NONE
    held_ms: int = 0

    @property
    def key(self) -> JobKey:
        """The job it belongs to."""
        return JobKey(self.user, self.job_uid)

    @property
    def name(self) -> RunName:
        """Its resource name."""
        return RunName(JobName(self.user, self.job_id), self.run_id)

    @property
    def order(self) -> tuple[int, int]:
        """Of two states of a run the one where this is higher is the later one.

        Revisions alone do not tell: a former owner's last write may come when the next owner has
        begun to count from the state before it.
        """
        return (self.epoch, self.revision)

    @property
    def follows_failure(self) -> bool:
        """Whether this is the state with which another attempt follows one that has failed.

        Later ones of a run that goes on waiting have its former attempts, too.
        """
        if self.state is not RunState.PENDING or not self.past_attempts:
            return False
        return self.past_attempts[-1].end_ms == self.update_ms

    @property
    def trace_id(self) -> str:
        """32 hex digits, or empty."""
        return self.traceparent[3:35]
