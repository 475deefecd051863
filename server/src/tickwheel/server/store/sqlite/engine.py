"""Opens the embedded engine."""

import fcntl
from pathlib import Path
from typing import IO

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite.database import Database
from tickwheel.server.store.sqlite.jobs import SqliteJobStore
from tickwheel.server.store.sqlite.leases import SqliteLeaseStore
from tickwheel.server.store.sqlite.open_runs import SqliteOpenRunStore
from tickwheel.server.store.sqlite.runs import SqliteRunStore
from tickwheel.server.store.sqlite.schedule import SqliteScheduleStore
from tickwheel.server.store.sqlite.schema import STEPS, migrate, schema_version


class DataInUseError(Exception):
    """Another process has the data directory; the message says which directory."""


class SqliteStore(Store):
    """The embedded engine."""

    engine = "sqlite"

    def __init__(self, database: Database, clock: Clock, lock: IO[str] | None) -> None:
        self._database = database
        self._lock = lock
        self.jobs = SqliteJobStore(database, clock)
        self.schedule = SqliteScheduleStore(database, clock)
        self.runs = SqliteRunStore(database)
        self.open_runs = SqliteOpenRunStore(database)
        self.leases = SqliteLeaseStore(database)

    async def migrate(self, segments: int) -> None:
        """Brings the schema up to date; see `schema.migrate`."""
        await self._database.write(lambda connection: migrate(connection, segments))

    async def ping(self) -> None:
        """As the port says."""
        await self._database.read(lambda db: db.execute("SELECT 1").fetchone())

    async def close(self) -> None:
        """As the port says."""
        await self._database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


async def open_sqlite(path: Path | None, *, segments: int = 64, clock: Clock) -> Store:
    """Opens the database, and brings its schema up to date.

    Args:
        path: the file, made where it is missing, with its folder; None for memory.
        segments: how many segments a new database gets.
        clock: for what expires.

    Raises:
        DataInUseError: another process has it open.
        StoreUnavailable: it cannot be opened or written, or is of a later release; waiting does
            not help.
    """
    lock = _lock(path) if path is not None else None
    store = SqliteStore(Database(path), clock, lock)
    try:
        await store.migrate(segments)
    except BaseException:
        await store.close()
        raise
    return store


async def read_sqlite(path: Path, clock: Clock) -> Store:
    """Opens the database of another process to read it; what writes fails with StoreUnavailable.

    Args:
        path: the file.
        clock: for what expires.

    Raises:
        StoreUnavailable: it is not there, or is of another release.
    """
    database = Database(path, read_only=True)
    version = await database.read(schema_version)
    if version != len(STEPS):
        await database.close()
        raise StoreUnavailable(
            f"{path} has schema version {version}, needed is {len(STEPS)}: "
            "start `tickwheel dev` on it once"
        )
    return SqliteStore(database, clock, None)


def _lock(path: Path) -> IO[str]:
    """Holds the folder for this process; the system lets go of it however the process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / "lock").open("a")
    except FileExistsError as error:
        raise StoreUnavailable(f"{path.parent} is not a directory") from error
    except OSError as error:
        raise StoreUnavailable(
            f"cannot use the data directory {path.parent}: {error.strerror}"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise DataInUseError(f"{path.parent} is in use by another process") from error
    return lock
