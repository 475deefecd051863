"""One SQLite file and the threads that use it: a writer, and a few readers beside it."""

import asyncio
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.store.sqlite.errors import unavailable
from tickwheel.server.store.sqlite.writer import Writer

T = TypeVar("T")

_READERS: Final = 2
_BUSY_S: Final = 10.0
_CACHE_KIB: Final = 16_384
#: The write-ahead log is copied back when it has grown by this many pages: seldom enough that a
#: page that changes with each group is copied once for many groups.
_CHECKPOINT_PAGES: Final = 4_000
_KEPT_WAL_BYTES: Final = 64 * 1024 * 1024


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection with the store's settings, for one thread at a time.

    Raises:
        sqlite3.Error: the file cannot be opened, or is none of SQLite's.
    """
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # COMMIT returns when the write-ahead log is on the disk.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_KEPT_WAL_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


class Database:
    """Runs operations in the right thread.

    A database in memory has one connection, so its reads run in the writer's thread, between
    the groups.
    """

    def __init__(self, path: Path | None, writing: sqlite3.Connection) -> None:
        """Takes over a connection for writing, and opens those for reading.

        Args:
            path: the file; None: `writing` is to a database in memory.
            writing: a connection from `connect`; it is closed with this.
        """
        self._readers: ThreadPoolExecutor | None = None
        self._free: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._writer = Writer(writing)
        if path is not None:
            for _ in range(_READERS):
                connection = connect(path)
                connection.execute("PRAGMA query_only = ON")
                self._free.put(connection)
            self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-reader")
        self._closed = False

    async def write(self, body: Callable[[sqlite3.Connection], T], *, weight: int = 1) -> T:
        """Runs a writing operation (see `writer`); returns when it is on the disk.

        Args:
            body: refuses with a domain error before it has written anything, or succeeds; may be
                run more than once.
            weight: about how many rows it writes.

        Raises:
            StoreUnavailable: nothing of it was stored.
            OutcomeUnknown: it may or may not be stored.
        """
        return await self._writer.submit(body, weight=weight)

    async def read(self, body: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a reading operation; it sees all that was acknowledged before.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        if self._readers is None:
            return await self._writer.submit(body, writes=False)
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, body)

    def _read(self, body: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._free.get()
        try:
            return body(connection)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            self._free.put(connection)

    def close(self) -> None:
        """Finishes what is under way; blocks. May be called twice."""
        self._closed = True
        if self._readers is not None:
            self._readers.shutdown()
        while not self._free.empty():
            self._free.get().close()
        # Last, so that SQLite folds the write-ahead log into the file as the last one leaves.
        self._writer.close()
