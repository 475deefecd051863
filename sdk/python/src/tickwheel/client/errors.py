"""What a refused or failed call raises: the gRPC status with its details decoded (AIP-193)."""

from dataclasses import dataclass
from typing import Self

import grpc
from google.rpc import error_details_pb2, status_pb2

# Where gRPC carries a google.rpc.Status.
_DETAILS_KEY = "grpc-status-details-bin"

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One refused field."""

    field: str
    """Its path in the request, such as `job.schedule.cron`."""
    description: str
    """What is wrong with it, and what would be right."""


class ApiError(Exception):
    """A call was refused, or failed.

    Attributes:
        code: the gRPC status code.
        message: in words, for people.
        reason: name of a value of tickwheel.v1.ErrorReason; empty where no server of ours has
            answered, as when there is no connection.
        metadata: what ErrorInfo adds to the reason.
        violations: the fields at fault; empty where none is.
        retry_delay: seconds after which the server suggests another try; None where it says
            nothing of the kind.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        violations: tuple[FieldViolation, ...] = (),
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = metadata or {}
        self.violations = violations
        self.retry_delay = retry_delay

    def __str__(self) -> str:
        fields = "".join(f"; {each.field}: {each.description}" for each in self.violations)
        return f"{self.code.name} {self.reason}: {self.message}{fields}".replace(" :", ":")

    @classmethod
    def from_status(cls, status: status_pb2.Status) -> Self:
        """The exception for a google.rpc.Status, such as the `error` of an item of a batch."""
        reason = ""
        metadata: dict[str, str] = {}
        violations: tuple[FieldViolation, ...] = ()
        retry_delay: float | None = None
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry_info = error_details_pb2.RetryInfo()
        for detail in status.details:
            if detail.Unpack(info):
                reason, metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(bad_request):
                violations = tuple(
                    FieldViolation(each.field, each.description)
                    for each in bad_request.field_violations
                )
            elif detail.Unpack(retry_info):
                retry_delay = retry_info.retry_delay.ToMilliseconds() / 1000
        return cls(
            _CODES.get(status.code, grpc.StatusCode.UNKNOWN),
            status.message,
            reason=reason,
            metadata=metadata,
            violations=violations,
            retry_delay=retry_delay,
        )

    @classmethod
    def from_rpc_error(cls, error: grpc.aio.AioRpcError) -> Self:
        """The exception for what gRPC raised, with the details that came in its trailers."""
        for key, value in error.trailing_metadata() or ():
            if key == _DETAILS_KEY and isinstance(value, bytes):
                return cls.from_status(status_pb2.Status.FromString(value))
        return cls(error.code(), error.details() or "")
