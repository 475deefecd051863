"""The log's SQLite file: its tables, and connections to it."""

import sqlite3
from pathlib import Path

from tickwheel.server.records.errors import LogUnavailable

#: A batch's id is its partition's id, shifted, plus the offset of its first record: so a partition
#: is one range of the table's own key, in order, and no index has to be kept beside it.
OFFSET_BITS = 40

PAGE_BYTES = 16_384
_VERSION = 1
_KEPT_WAL_BYTES = 64 * 1024 * 1024
_BUSY_S = 10.0

_SCHEMA = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- start_offset: the first record that is kept; where the partition is empty, the next one.
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    start_offset INTEGER NOT NULL,
    UNIQUE (topic_id, number)
);

-- Records are kept in batches, as many at a time as were appended together, because each row that
-- is stepped over costs a hand-over of the interpreter's lock.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    record_count INTEGER NOT NULL,
    append_ms INTEGER NOT NULL,
    data BLOB NOT NULL
);

CREATE TABLE consumer_groups (
    id INTEGER PRIMARY KEY,
    topic_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    used_ms INTEGER NOT NULL,
    UNIQUE (topic_id, name)
);

-- All below low are acknowledged; acked holds the stretches above it (see acked.py).
CREATE TABLE positions (
    group_id INTEGER NOT NULL,
    partition_id INTEGER NOT NULL,
    low INTEGER NOT NULL,
    acked BLOB NOT NULL,
    PRIMARY KEY (group_id, partition_id)
) WITHOUT ROWID;

-- Written and emptied to find out whether the disk has room.
CREATE TABLE probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection with the log's settings, to be used by one thread at a time."""
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit returns once the write-ahead log is on the disk.
    connection.execute("PRAGMA synchronous = FULL")
    # Copying the write-ahead log back has a thread of its own: see checkpoint.py.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {_KEPT_WAL_BYTES}")
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection to a file that another process may be writing.

    Raises:
        LogUnavailable: the file is of a later release.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
    )
    check_version(connection)
    return connection


def check_version(connection: sqlite3.Connection) -> int:
    """The file's format, 0 where it is new.

    Raises:
        LogUnavailable: it is of a later release.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise LogUnavailable(f"the record log has format {version}; this release knows {_VERSION}")
    return version


def create(connection: sqlite3.Connection, max_file_bytes: int | None) -> None:
    """Makes the tables where there are none.

    Raises:
        LogUnavailable: the file is of a later release.
    """
    if max_file_bytes is not None:
        connection.execute(f"PRAGMA max_page_count = {max_file_bytes // PAGE_BYTES}")
    if check_version(connection) == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;"
        )
