"""What can go wrong in the domain's own words; the api maps these to gRPC in one place.

Driver errors never leave a store engine: they become StoreUnavailable, or OutcomeUnknown where a
write may or may not have happened.
"""

from dataclasses import dataclass

from tickwheel.v1 import errors_pb2


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One refused field: its path as the client wrote it, and what would be right."""

    field: str
    description: str


class TickwheelError(Exception):
    """Base of all errors that a client is told of; `reason` is an ErrorReason of the contract."""

    reason: "errors_pb2.ErrorReason" = errors_pb2.ERROR_REASON_UNSPECIFIED

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidInput(TickwheelError):
    """The request is wrong whatever the state of the system (INVALID_ARGUMENT)."""

    def __init__(
        self,
        reason: "errors_pb2.ErrorReason",
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        **metadata: str,
    ) -> None:
        super().__init__(message, **metadata)
        self.reason = reason
        self.violations = violations


class JobNotFound(TickwheelError):
    """No living job of that name (NOT_FOUND)."""

    reason = errors_pb2.JOB_NOT_FOUND


class RunNotFound(TickwheelError):
    """No run of that name (NOT_FOUND)."""

    reason = errors_pb2.RUN_NOT_FOUND


class JobAlreadyExists(TickwheelError):
    """The chosen job id is taken (ALREADY_EXISTS)."""

    reason = errors_pb2.JOB_ALREADY_EXISTS


class RequestIdReused(TickwheelError):
    """The request_id was used with other content (ALREADY_EXISTS, AIP-155)."""

    reason = errors_pb2.REQUEST_ID_REUSED


class EtagMismatch(TickwheelError):
    """The job has changed since the client read it (ABORTED, AIP-154)."""

    reason = errors_pb2.ETAG_MISMATCH


class RunStateWrong(TickwheelError):
    """The run's state does not allow it (FAILED_PRECONDITION)."""

    reason = errors_pb2.RUN_STATE_WRONG


class StaleFence(TickwheelError):
    """A report about an attempt that has been superseded (FAILED_PRECONDITION)."""

    reason = errors_pb2.STALE_FENCE


class SegmentUnowned(TickwheelError):
    """No scheduler owns the job's segment just now (UNAVAILABLE, with RetryInfo)."""

    reason = errors_pb2.SEGMENT_UNOWNED


class ChangeUnconfirmed(TickwheelError):
    """The change stands, but may not hold for what is due just now (DEADLINE_EXCEEDED)."""

    reason = errors_pb2.CHANGE_UNCONFIRMED


class Overloaded(TickwheelError):
    """Too much at once (RESOURCE_EXHAUSTED, with RetryInfo); nothing was done."""

    reason = errors_pb2.OVERLOADED


class StoreUnavailable(TickwheelError):
    """The store did not do it (UNAVAILABLE); nothing was written."""

    reason = errors_pb2.STORE_UNAVAILABLE


class OutcomeUnknown(StoreUnavailable):
    """The store may or may not have done it (UNAVAILABLE); the same request may be repeated."""


class Fenced(TickwheelError):
    """The writer no longer owns the segment; nothing was written (internal)."""

    reason = errors_pb2.STALE_FENCE
