"""From errors to what the client is told: google.rpc.Status with its details (AIP-193).

The only place that knows about gRPC codes. A code follows from the reason, as errors.proto says.
"""

import secrets
from collections.abc import Sequence
from typing import cast

import grpc
import structlog
from google.protobuf import any_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tickwheel.server.domain.errors import FieldViolation, InvalidInput, TickwheelError
from tickwheel.server.schedule import ScheduleError
from tickwheel.v1 import errors_pb2

DOMAIN = "tickwheel.dev"

#: When a client may try again, in milliseconds.
RETRY_MS = {
    grpc.StatusCode.UNAVAILABLE: 1_000,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 2_000,
}

#: Codes by ranges of the reasons' numbers, first number of each range.
_RANGES = (
    (1, grpc.StatusCode.INVALID_ARGUMENT),
    (30, grpc.StatusCode.NOT_FOUND),
    (40, grpc.StatusCode.ALREADY_EXISTS),
    (50, grpc.StatusCode.ABORTED),
    (60, grpc.StatusCode.FAILED_PRECONDITION),
    (70, grpc.StatusCode.UNAVAILABLE),
    (80, grpc.StatusCode.DEADLINE_EXCEEDED),
    (90, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (100, grpc.StatusCode.UNIMPLEMENTED),
    (110, grpc.StatusCode.INTERNAL),
)

# Details travel in a trailer (base64, the message once more percent-encoded), and clients refuse
# trailers of more than 8 KiB in all.
_MAX_DETAIL_BYTES = 2_000
_MAX_TEXT_BYTES = 400

_log = structlog.get_logger()


class EngineUnsupported(TickwheelError):
    """This engine does not have it (UNIMPLEMENTED), and never will."""

    reason = errors_pb2.ENGINE_UNSUPPORTED


class WorkerNotFound(TickwheelError):
    """No such worker is connected (NOT_FOUND)."""

    reason = errors_pb2.WORKER_NOT_FOUND


class JobStateWrong(TickwheelError):
    """The job's state does not allow it (FAILED_PRECONDITION)."""

    reason = errors_pb2.JOB_STATE_WRONG


class Contention(TickwheelError):
    """Others changed the job again and again (ABORTED)."""

    reason = errors_pb2.CONTENTION


class ServerStopping(TickwheelError):
    """This server takes nothing new (UNAVAILABLE, with RetryInfo)."""

    reason = errors_pb2.SERVER_STOPPING


def invalid(
    reason: errors_pb2.ErrorReason, field: str, description: str, **metadata: str
) -> InvalidInput:
    """The error for one wrong field.

    Args:
        reason: why, for programs.
        field: its path as the client wrote it, lowerCamelCase.
        description: what would be right.
        metadata: figures for the ErrorInfo.
    """
    return InvalidInput(
        reason, f"{field}: {description}", (FieldViolation(field, description),), **metadata
    )


def schedule_invalid(error: ScheduleError, path: str) -> InvalidInput:
    """The error for a schedule that stands at `path` in the request."""
    field = f"{path}.{error.field}" if error.field else path
    reason = cast("errors_pb2.ErrorReason", errors_pb2.ErrorReason.Value(error.reason.value))
    return invalid(reason, field, error.message)


def code_of(reason: errors_pb2.ErrorReason) -> grpc.StatusCode:
    """The gRPC code of a reason."""
    found = grpc.StatusCode.UNKNOWN
    for first, code in _RANGES:
        if reason >= first:
            found = code
    return found


def status_of(error: Exception) -> status_pb2.Status:
    """What the client is told of an error; of a defect no more than where to find it in the log."""
    if isinstance(error, TickwheelError):
        return _status(error)
    defect = secrets.token_hex(8)
    _log.error("a defect", defect=defect, exc_info=error)
    hidden = TickwheelError(f"a defect of the server, logged as {defect}", defect=defect)
    hidden.reason = errors_pb2.INTERNAL_DEFECT
    return _status(hidden)


def grpc_code(status: status_pb2.Status) -> grpc.StatusCode:
    """The enum value of a status' code."""
    return _BY_NUMBER[status.code]


def _status(error: TickwheelError) -> status_pb2.Status:
    code = code_of(error.reason)
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(
            reason=errors_pb2.ErrorReason.Name(error.reason),
            domain=DOMAIN,
            metadata={name: _cut(text) for name, text in error.metadata.items()},
        )
    ]
    if isinstance(error, InvalidInput) and error.violations:
        details.append(_bad_request(error.reason, error.violations))
    if code in RETRY_MS:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(RETRY_MS[code])
        details.append(retry)
    packed: list[any_pb2.Any] = []
    for detail in details:
        item = any_pb2.Any()
        item.Pack(detail)
        packed.append(item)
    return status_pb2.Status(
        code=_NUMBERS[code],
        message=_cut(error.message),
        details=packed,
    )


def _bad_request(
    reason: errors_pb2.ErrorReason, violations: Sequence[FieldViolation]
) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    for violation in violations:
        found = bad.field_violations.add(
            field=_cut(violation.field), description=_cut(violation.description)
        )
        # The reason is the first violation's; the others may have others.
        if len(bad.field_violations) == 1:
            found.reason = errors_pb2.ErrorReason.Name(reason)
        if bad.ByteSize() > _MAX_DETAIL_BYTES:
            break
    return bad


def _cut(text: str) -> str:
    raw = text.encode()
    if len(raw) <= _MAX_TEXT_BYTES:
        return text
    return f"{raw[: _MAX_TEXT_BYTES - 3].decode(errors='ignore')}…"


_NUMBERS = {code: code_pb2.Code.Value(code.name) for code in grpc.StatusCode}
_BY_NUMBER = {number: code for code, number in _NUMBERS.items()}
