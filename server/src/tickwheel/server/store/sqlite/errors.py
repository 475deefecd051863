"""sqlite3's errors in the port's words."""

import sqlite3

from tickwheel.server.domain.errors import StoreUnavailable

#: Result codes after which nothing of a transaction can be on the disk, even if it was its COMMIT
#: that failed: the commit record is the last thing to be written.
_CERTAINLY_NOT_DONE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def primary_code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error is the binding's own, not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def commit_undone(error: sqlite3.Error) -> bool:
    """Whether a COMMIT that failed with this error has certainly stored nothing."""
    return primary_code(error) in _CERTAINLY_NOT_DONE


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """The error of a read, or of a write that was rolled back."""
    return StoreUnavailable(reason(error))


def reason(error: sqlite3.Error) -> str:
    """What went wrong, for people."""
    match primary_code(error):
        case sqlite3.SQLITE_FULL:
            return "the disk of the data directory is full"
        case sqlite3.SQLITE_READONLY:
            return "the data directory is read-only"
        case sqlite3.SQLITE_BUSY:
            return "another program holds the store's file locked"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"the store's file is damaged: {error}"
        case _:
            return f"SQLite: {error}"
