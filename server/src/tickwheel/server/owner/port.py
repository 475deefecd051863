"""The owner port: what the api asks of the scheduler that owns a job."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.domain.job import Job, Payload
from tickwheel.v1 import job_pb2, run_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRequest:
    """A run by hand, now."""

    job: Job
    run_id: str
    schedule_ms: int
    #: In place of the job's payload; None for the job's own.
    payload: Payload | None = None
    content_type: str = ""
    #: In place of the job's policy; OVERLAP_UNSPECIFIED for the job's own.
    overlap_policy: "job_pb2.Overlap" = job_pb2.OVERLAP_UNSPECIFIED
    #: Of the call that asks for it; the run has a trace of its own, linked to that.
    traceparent: str = ""
    #: The run that is tried again; empty for a run by hand.
    retried_run: str = ""
    #: AIP-155, where it is not in the run's id; empty for none.
    request_id: str = ""
    #: Of what the request asks for; the same request_id with another one is refused.
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """Occurrences of a past range, to be run in order."""

    job: Job
    #: Names it; the same again changes nothing.
    backfill_id: str
    #: The first occurrence, nominal; Unix milliseconds.
    first_ms: int
    #: Exclusive, Unix milliseconds.
    end_ms: int
    #: As in TriggerRequest.
    overlap_policy: "job_pb2.Overlap" = job_pb2.OVERLAP_UNSPECIFIED
    #: Of the job whose schedule was counted by; 0 for the present one.
    generation: int = 0
    #: As in TriggerRequest.
    traceparent: str = ""


class Owners(ABC):
    """The owners of all segments."""

    @abstractmethod
    def announce(self, jobs: Sequence[Job]) -> None:
        """Tells owners of new jobs that are due soon, without waiting.

        Only makes it quicker: the inbox has them too, and owners read it at least every second.
        """

    @abstractmethod
    async def confirm(self, job: Job) -> None:
        """Returns once no former version of the job can fire for an occurrence due from now on.

        Raises:
            ChangeUnconfirmed: that could not be made sure in time; the change stands.
        """

    @abstractmethod
    async def trigger(self, request: TriggerRequest) -> run_pb2.Run:
        """Fires a run now and returns it as stored; the same `run_id` again fires nothing.

        Raises:
            SegmentUnowned: no owner answers; nothing was fired.
            Overloaded: far too much waits to be published; nothing was fired.
        """

    @abstractmethod
    async def backfill(self, request: BackfillRequest) -> None:
        """Begins a backfill, which from then on goes on by itself.

        Raises:
            SegmentUnowned: no owner answers; nothing was begun.
            Overloaded: far too much waits to be published; nothing was begun.
        """

    @abstractmethod
    async def cancel(self, job: Job, run_id: str, reason: str) -> run_pb2.Run:
        """Cancels a run as far as that is possible, and returns it as stored.

        Raises:
            SegmentUnowned: no owner answers.
            RunNotFound, RunStateWrong, ChangeUnconfirmed: see the contract's CancelRun.
        """

    @abstractmethod
    async def report(
        self, reports: Sequence[owner_service_pb2.RunReport]
    ) -> list[owner_service_pb2.RunReportResult]:
        """Takes in what executors report; one answer each, in order, once it is stored."""
