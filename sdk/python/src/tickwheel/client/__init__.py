"""What a program of the user imports: the client, and the command line built on it.

Never imports the server or the worker.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickwheel.client.client import Client as Client
    from tickwheel.client.errors import ApiError as ApiError
    from tickwheel.client.errors import FieldViolation as FieldViolation
    from tickwheel.client.retry import RetryPolicy as RetryPolicy

__all__ = ["ApiError", "Client", "FieldViolation", "RetryPolicy"]

_HOMES = {
    "ApiError": "tickwheel.client.errors",
    "Client": "tickwheel.client.client",
    "FieldViolation": "tickwheel.client.errors",
    "RetryPolicy": "tickwheel.client.retry",
}


def __getattr__(name: str) -> object:
    # Lazy (PEP 562): gRPC takes longer to import than `tickwheel --help` may take in all.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
