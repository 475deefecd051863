"""What a program of the user imports: the client, the executor, and the command line.

Never imports the server or the worker.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickwheel.client.client import Client as Client
    from tickwheel.client.errors import ApiError as ApiError
    from tickwheel.client.errors import FieldViolation as FieldViolation
    from tickwheel.client.executor.cancellation import Cancellation as Cancellation
    from tickwheel.client.executor.cancellation import CancelReason as CancelReason
    from tickwheel.client.executor.context import RunContext as RunContext
    from tickwheel.client.executor.errors import ExecutorError as ExecutorError
    from tickwheel.client.executor.errors import NotRetryable as NotRetryable
    from tickwheel.client.executor.errors import RunCancelled as RunCancelled
    from tickwheel.client.executor.executor import Executor as Executor
    from tickwheel.client.retry import RetryPolicy as RetryPolicy

__all__ = [
    "ApiError",
    "CancelReason",
    "Cancellation",
    "Client",
    "Executor",
    "ExecutorError",
    "FieldViolation",
    "NotRetryable",
    "RetryPolicy",
    "RunCancelled",
    "RunContext",
]

_HOMES = {
    "ApiError": "tickwheel.client.errors",
    "CancelReason": "tickwheel.client.executor.cancellation",
    "Cancellation": "tickwheel.client.executor.cancellation",
    "Client": "tickwheel.client.client",
    "Executor": "tickwheel.client.executor.executor",
    "ExecutorError": "tickwheel.client.executor.errors",
    "FieldViolation": "tickwheel.client.errors",
    "NotRetryable": "tickwheel.client.executor.errors",
    "RetryPolicy": "tickwheel.client.retry",
    "RunCancelled": "tickwheel.client.executor.errors",
    "RunContext": "tickwheel.client.executor.context",
}


def __getattr__(name: str) -> object:
    # Lazy (PEP 562): gRPC takes longer to import than `tickwheel --help` may take in all.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
