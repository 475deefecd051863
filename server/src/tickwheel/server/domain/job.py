"""A job as the servers hold it."""

import enum
from dataclasses import dataclass

from tickwheel.server.domain.names import JobKey, JobName
from tickwheel.server.domain.value import value
from tickwheel.v1 import job_pb2


class JobState(enum.IntEnum):
    """What a job does; the numbers are those of tickwheel.v1.JobState."""

    ACTIVE = job_pb2.JOB_STATE_ACTIVE
    PAUSED = job_pb2.JOB_STATE_PAUSED
    COMPLETED = job_pb2.JOB_STATE_COMPLETED


class PayloadKind(enum.IntEnum):
    """Which field of tickwheel.v1.Payload the client used, so that it is answered in the same."""

    NONE = 0
    JSON = 1
    TEXT = 2
    DATA = 3


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload as it goes on the wire; made once, when the job comes in."""

    kind: PayloadKind
    data: bytes


EMPTY_PAYLOAD = Payload(PayloadKind.NONE, b"")


@value
class Job:
    """One job.

    `spec` is the client's message with its defaults filled in, without payload and without what is
    output only; it is shared and must not be changed. It stays a message because a job is parsed,
    stored, read and answered far oftener than a field of it is looked at.
    """

    user: str
    uid: str
    job_id: str
    segment: int
    spec: job_pb2.Job
    payload: Payload
    #: Grows with every change; the etag is made of it.
    version: int = 1
    #: Grows with every change of the schedule; a schedule entry of another generation is void.
    generation: int = 1
    paused: bool = False
    pause_reason: str = ""
    #: The generation whose occurrences are all done, 0 for none.
    completed_generation: int = 0
    complete_ms: int = 0
    create_ms: int
    update_ms: int
    #: No occurrence before this instant is run: the creation, or the last change of the schedule.
    schedule_from_ms: int
    #: 0 while the job lives.
    delete_ms: int = 0
    #: W3C trace context of the call that made this version, to which the traces of its runs link.
    traceparent: str = ""

    @property
    def key(self) -> JobKey:
        """Where it is in the store."""
        return JobKey(self.user, self.uid)

    @property
    def name(self) -> JobName:
        """Its resource name."""
        return JobName(self.user, self.job_id)

    @property
    def state(self) -> JobState:
        """Completed wins over paused: there is nothing left to pause."""
        if self.completed_generation == self.generation:
            return JobState.COMPLETED
        return JobState.PAUSED if self.paused else JobState.ACTIVE

    def could_run_ms(self, due_ms: int) -> int:
        """From when on something of its schedule that was due then could run.

        An `at` may name an instant that was past already when it was given: nobody missed that.
        """
        is_past = due_ms < self.schedule_from_ms and self.spec.schedule.HasField("at")
        return self.schedule_from_ms if is_past else due_ms

    @property
    def etag(self) -> str:
        """Strong etag (AIP-154); changes with each version, and on completion."""
        return f'"{self.version:x}-{self.completed_generation:x}"'
