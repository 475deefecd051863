"""Many rows in one step of SQLite.

sqlite3 gives the interpreter's lock away for each step of a statement, which is each row read or
written by `executemany`, and beside a busy event loop it waits up to 5 ms to have it back: a
thousand rows took seconds that take milliseconds alone. So rows are written many in a statement,
and read as one.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

#: Rows of one INSERT at most; a power of two.
_MOST = 64


def insert(
    connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]], then: str = ""
) -> None:
    """Inserts rows.

    Args:
        connection: inside of a transaction.
        into: the statement up to VALUES.
        rows: of equal length.
        then: what follows the values, such as ON CONFLICT.
    """
    at, count = 0, _MOST
    # Powers of two, so that few statements are to be prepared.
    while at < len(rows):
        while count > len(rows) - at:
            count //= 2
        part = rows[at : at + count]
        sql = _statement(into, len(part[0]), count, then)
        connection.execute(sql, [value for row in part for value in row])
        at += count


@lru_cache(maxsize=256)
def _statement(into: str, width: int, count: int, then: str) -> str:
    one = f"({', '.join('?' * width)})"
    return f"{into} VALUES {', '.join([one] * count)} {then}"


def read_records(
    connection: sqlite3.Connection, select: str, values: Sequence[object], numbers: int = 0
) -> "list[tuple[bytes, *tuple[int, ...]]]":
    """What a query finds, in its order.

    Args:
        connection: any.
        select: gives a blob `record`, then so many whole numbers `n1`, `n2`, …
        values: for its parameters.
        numbers: how many.
    """
    # group_concat takes a blob's bytes as they are.
    columns = ["CAST(group_concat(record, '') AS BLOB)", "json_group_array(length(record))"]
    columns += [f"json_group_array(n{number})" for number in range(1, numbers + 1)]
    sql = f"SELECT {', '.join(columns)} FROM ({select})"
    try:
        joined, *lists = connection.execute(sql, values).fetchone()
    except sqlite3.DataError:
        # Together they are larger than a value may be.
        return connection.execute(select, values).fetchall()
    lengths, *others = map(json.loads, lists)
    return list(zip(_cut(joined or b"", lengths), *others, strict=True))


def _cut(joined: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for length in lengths:
        yield joined[at : at + length]
        at += length
