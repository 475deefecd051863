"""Errors of the domain on their way from a scheduler to an api, and back into errors."""

from typing import cast

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.domain.errors import (
    ChangeUnconfirmed,
    JobNotFound,
    Overloaded,
    RunNotFound,
    RunStateWrong,
    SegmentUnowned,
    StaleFence,
    StoreUnavailable,
    TickwheelError,
)
from tickwheel.v1 import errors_pb2

#: Trailing metadata of an owner's answer: a serialized ReportRefusal.
METADATA = "tickwheel-refusal-bin"

_KINDS: dict[int, type[TickwheelError]] = {
    kind.reason: kind
    for kind in (
        ChangeUnconfirmed,
        JobNotFound,
        Overloaded,
        RunNotFound,
        RunStateWrong,
        SegmentUnowned,
        StaleFence,
        StoreUnavailable,
    )
}


def refusal_of(error: TickwheelError) -> pb.ReportRefusal:
    """The message that carries an error."""
    return pb.ReportRefusal(reason=error.reason, message=error.message, metadata=error.metadata)


def error_of(refusal: pb.ReportRefusal) -> TickwheelError:
    """The error that a message carries."""
    kind = _KINDS.get(refusal.reason, TickwheelError)
    error = kind(refusal.message, **dict(refusal.metadata))
    error.reason = cast("errors_pb2.ErrorReason", refusal.reason)
    return error
