"""Copies the write-ahead log back into the file without holding up the writer."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from tickwheel.server.records.database import connect

_log = structlog.get_logger(__name__)

#: Bytes written before it is worth while.
_EVERY_BYTES = 16 * 1024 * 1024


class Checkpointer:
    """Does the long part of a checkpoint on a thread of its own.

    SQLite would do it within a commit, which then takes tens of milliseconds longer, and those
    records are late. It lets others write meanwhile; but only when nothing at all is left to copy
    does the write-ahead log begin anew and stop growing. So, once the bulk has been copied,
    `nearly_done` is called, and the writer does the short rest between two of its transactions.
    """

    def __init__(self, path: Path, nearly_done: Callable[[], None]) -> None:
        self._path = path
        self._nearly_done = nearly_done
        self._thread = ThreadPoolExecutor(1, "records-checkpoint")
        self._connection: sqlite3.Connection | None = None
        self._written = 0
        self._busy = False

    def wrote(self, size: int) -> None:
        """Tells of bytes written. Called by the writer's thread."""
        self._written += size
        if self._written >= _EVERY_BYTES and not self._busy:
            self._busy = True
            self._thread.submit(self._copy)

    def finish(self, connection: sqlite3.Connection) -> None:
        """The short rest. Called by the writer's thread, outside of a transaction."""
        _copy_all(connection)
        self._written = 0
        self._busy = False

    def close(self) -> None:
        """Waits for what is under way."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()

    def _copy(self) -> None:
        try:
            if self._connection is None:
                self._connection = connect(self._path)
        except (sqlite3.Error, OSError) as error:
            self._written = 0
            self._busy = False
            _failed(error)
            return
        _copy_all(self._connection)
        self._nearly_done()


def _copy_all(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:
        _failed(error)


def _failed(error: Exception) -> None:
    """Nothing is lost by it: the write-ahead log only goes on growing until the next attempt."""
    _log.warning("the record log's checkpoint failed", error=str(error))
