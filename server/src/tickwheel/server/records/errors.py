"""What can go wrong with the log."""

import sqlite3

from tickwheel.server.domain.errors import TickwheelError
from tickwheel.v1 import errors_pb2


class LogUnavailable(TickwheelError):
    """The log did not do it (UNAVAILABLE); nothing was written, and it may work later."""

    reason = errors_pb2.LOG_UNAVAILABLE


class RecordRefused(Exception):
    """The log does not take this record and never will: its size or its topic's name."""


def unavailable(error: sqlite3.Error) -> LogUnavailable:
    """The error in the log's own words."""
    # Absent where the error is the binding's own, not SQLite's.
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return LogUnavailable("the disk of the record log is full")
    return LogUnavailable(f"the record log: {error}")
