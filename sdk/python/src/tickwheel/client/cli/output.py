"""How results are printed: JSON lines for programs, tables and lines for people."""

import sys
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# A table can only be laid out once its rows are known; beyond this many it is begun anew.
ROWS_PER_TABLE = 1_000

_UNLIMITED_WIDTH = 100_000


def print_json(message: "Message") -> None:
    """Print a message in protobuf's JSON mapping on one line, defaults included."""
    from google.protobuf.json_format import MessageToJson

    typer.echo(
        MessageToJson(
            message, indent=None, always_print_fields_with_no_presence=True, ensure_ascii=False
        )
    )


def console() -> "Console":
    """Standard output for people: coloured and folded only on a terminal."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_UNLIMITED_WIDTH)


def note(text: str) -> None:
    """Say something beside the output, on standard error."""
    typer.echo(text, err=True)


def printable(text: str) -> str:
    """The text without what could steer a terminal: all but printable characters are escaped.

    Names, payloads and messages come from other people.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def instant(timestamp: "Timestamp") -> str:
    """`2026-11-23T12:00:00.000Z`: UTC, to the millisecond."""
    return f"{timestamp.ToDatetime().isoformat(timespec='milliseconds')}Z"


def text(value: str, style: str = "") -> "Text":
    """One cell, free of markup and control characters."""
    from rich.text import Text

    return Text(printable(value), style=style)


def details(rows: "Sequence[tuple[str, Text]]") -> "Table":
    """One thing: a line for each of its fields that has something in it."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value.plain:
            table.add_row(name, value)
    return table


async def print_rows(columns: Sequence[str], rows: "AsyncIterator[Sequence[Text]]") -> None:
    """Many things: a line for each, in columns."""
    target = console()
    table = _table(columns)
    printed = False
    async for row in rows:
        table.add_row(*row)
        if table.row_count == ROWS_PER_TABLE:
            target.print(table)
            table = _table(columns)
            printed = True
    if table.row_count or not printed:
        target.print(table)


def _table(columns: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
