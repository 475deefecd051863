"""Statements that take many rows at once.

sqlite3 gives up the interpreter's lock for every row that it steps over. While the event loop is
busy each of those hand-overs may take milliseconds: 10,000 rows by `executemany` took 4.9 s beside
a busy loop, and 0.13 s with 500 rows in a statement. Reads step so quickly that they keep the lock
in practice.
"""

import itertools
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

Row = tuple[int | str | bytes | None, ...]

#: Rows in one statement; sqlite3 keeps one compiled statement for each.
_SIZES: Final = (512, 64, 8, 1)


class ManyRows:
    """A statement with a place for a list of rows, as `INSERT INTO t VALUES …`."""

    def __init__(self, before: str, columns: int, after: str = "") -> None:
        """Puts the statement together.

        Args:
            before: what comes before the rows.
            columns: in each row; at most 63, by SQLite's limit of 32,766 values.
            after: what follows the rows.
        """
        row = f"({','.join('?' * columns)})"
        self._texts = [(size, f"{before} {','.join([row] * size)} {after}") for size in _SIZES]

    def run(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Runs it for all rows, in order; returns how many rows of the table were touched."""
        touched = 0
        at = 0
        for size, text in self._texts:
            while len(rows) - at >= size:
                values: list[Any] = list(itertools.chain.from_iterable(rows[at : at + size]))
                touched += connection.execute(text, values).rowcount
                at += size
        return touched
