"""Many rows in a statement are the same rows as one by one."""

import sqlite3

import pytest

from tickwheel.server.store.sqlite.rows import insert, read_records


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, record BLOB, a INTEGER)")
    return connection


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 200])
def test_all_rows_are_written_and_read_in_order(connection: sqlite3.Connection, count: int) -> None:
    rows = [(at, bytes([at % 256]) * (at % 7), at * at) for at in range(count)]
    insert(connection, "INSERT INTO t", rows)
    found = read_records(
        connection, "SELECT record, id AS n1, a AS n2 FROM t ORDER BY id DESC", (), numbers=2
    )
    assert found == [(record, at, a) for at, record, a in reversed(rows)]


def test_bytes_of_any_kind_come_back_as_they_are(connection: sqlite3.Connection) -> None:
    records = [b"\0", b"", b"\xff\xfe\0\0", "ü".encode("utf-16"), bytes(range(256))]
    insert(connection, "INSERT INTO t", [(at, one, 0) for at, one in enumerate(records)])
    found = read_records(connection, "SELECT record FROM t WHERE id >= ? ORDER BY id", (0,))
    assert [record for (record,) in found] == records


def test_what_is_there_is_handled_row_by_row(connection: sqlite3.Connection) -> None:
    insert(connection, "INSERT INTO t", [(1, b"old", 5), (2, b"old", 1)])
    insert(
        connection,
        "INSERT INTO t",
        [(1, b"new", 3), (2, b"new", 3), (3, b"new", 3)],
        "ON CONFLICT DO UPDATE SET record = excluded.record WHERE excluded.a >= a",
    )
    found = read_records(connection, "SELECT record FROM t ORDER BY id", ())
    assert found == [(b"old",), (b"new",), (b"new",)]


def test_what_is_too_large_together_comes_row_by_row(connection: sqlite3.Connection) -> None:
    rows = [(at, bytes([at]) * 400_000, at) for at in range(4)]
    insert(connection, "INSERT INTO t", rows)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    select = "SELECT record, a AS n1 FROM t ORDER BY id"
    assert read_records(connection, select, (), numbers=1) == [(one, a) for _, one, a in rows]
