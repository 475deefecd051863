"""From what a handler returned or raised to what is reported. Pure, and never raises."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf import struct_pb2

from tickwheel.client.executor.errors import NotRetryable, RunCancelled
from tickwheel.client.executor.result import ResultRefused, result_value
from tickwheel.v1 import run_pb2

MAX_MESSAGE_CHARACTERS = 4_096
MAX_TYPE_CHARACTERS = 256
MAX_DETAILS_BYTES = 16 * 1024
# The first exception of a chain is printed first, where it was raised last: both ends are kept.
_DETAILS_HEAD_BYTES = 4 * 1024
_CUT = "\n… cut …\n"

CANCELLED = "cancelled"

_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt has ended."""

    state: run_pb2.RunState
    result: struct_pb2.Value | None = None
    error: run_pb2.RunError | None = None
    retryable: bool = True
    """Whether another attempt may help; counts for RUN_STATE_FAILED only."""


def returned(value: object) -> Outcome:
    """The outcome of a handler that returned."""
    try:
        return Outcome(run_pb2.RUN_STATE_SUCCEEDED, result=result_value(value))
    except ResultRefused as refused:
        # The handler has done its work: another attempt would do it again, to the same end.
        return failed(refused.kind, str(refused), retryable=False)


def raised(error: BaseException) -> Outcome:
    """The outcome of a handler that raised, whatever it was."""
    described = _describe(error)
    # isinstance would ask the exception for its `__class__`, which may raise as well.
    kind = type(error)
    if issubclass(kind, RunCancelled):
        return Outcome(run_pb2.RUN_STATE_CANCELLED, error=described)
    return Outcome(
        run_pb2.RUN_STATE_FAILED, error=described, retryable=not issubclass(kind, NotRetryable)
    )


def failed(kind: str, message: str, *, retryable: bool) -> Outcome:
    """A failure that is none of the handler's."""
    error = run_pb2.RunError(type=kind, message=cut(message, MAX_MESSAGE_CHARACTERS))
    return Outcome(run_pb2.RUN_STATE_FAILED, error=error, retryable=retryable)


def cancelled(ended: Outcome | None) -> Outcome:
    """The outcome of an attempt whose cancellation was asked for.

    Args:
        ended: how the handler ended; None where it was not called.
    """
    error = run_pb2.RunError(type=CANCELLED, message="cancelled before the handler was called")
    if ended is not None and ended.error is not None:
        error = ended.error
    elif ended is not None:
        error.message = "cancelled; the handler returned"
    result = ended.result if ended is not None else None
    return Outcome(run_pb2.RUN_STATE_CANCELLED, result=result, error=error)


def cut(text: str, characters: int) -> str:
    """Text that protobuf takes, of so many characters at most."""
    if len(text) > characters:
        text = f"{text[: characters - 1]}…"
    # A lone surrogate has no UTF-8.
    return text.encode(errors="backslashreplace").decode()[:characters]


def _describe(error: BaseException) -> run_pb2.RunError:
    return run_pb2.RunError(
        message=_shown(lambda: cut(str(error), MAX_MESSAGE_CHARACTERS)),
        type=_shown(lambda: cut(type(error).__name__, MAX_TYPE_CHARACTERS)),
        details=_shown(lambda: _cut_middle(_traceback(error))),
    )


def _shown(show: Callable[[], str]) -> str:
    """Text that an exception gives of itself; its own methods may raise anything as well."""
    try:
        return show()
    except BaseException as second:
        return f"<cannot be shown: {type(second).__name__}>"


def _traceback(error: BaseException) -> str:
    place = error.__traceback__
    # How the handler was called tells its author nothing.
    while place is not None and place.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        place = place.tb_next
    return "".join(traceback.format_exception(type(error), error, place)).strip()


def _cut_middle(text: str) -> str:
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= MAX_DETAILS_BYTES:
        return raw.decode()
    tail = MAX_DETAILS_BYTES - _DETAILS_HEAD_BYTES - len(_CUT.encode())
    # Either end may cut a character in two.
    first = raw[:_DETAILS_HEAD_BYTES].decode(errors="ignore")
    last = raw[-tail:].decode(errors="ignore")
    return f"{first}{_CUT}{last}"
