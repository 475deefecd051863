"""Reads what is typed: durations, instants, pairs, files. What is wrong with it is said at once."""

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer

LONGEST = timedelta(days=36_525)
"""No duration is longer: a century, far beyond any limit of the api."""

_INT32 = 1 << 31
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"([\d.]+)(ms|s|m|h|d)")


def duration(text: str) -> timedelta:
    """A length of time such as `3s`, `250ms`, `1h30m`, `2d`; days have 24 hours."""
    if not _DURATION.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a duration: write 250ms, 3s, 5m, 1h30m or 2d")
    parts = _DURATION_PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit].total_seconds() for number, unit in parts)
    if seconds > LONGEST.total_seconds():
        raise typer.BadParameter(f"{text!r} is longer than {LONGEST.days} days")
    return timedelta(seconds=seconds)


def instant(text: str) -> datetime:
    """An instant as RFC 3339 has it: with its offset from UTC, as nothing else is an instant."""
    example = "write it like 2026-11-23T12:00:00Z or 2026-11-23T13:00:00+01:00"
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an instant: {example}") from None
    if parsed.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset from UTC: {example}")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is outside the years 1 to 9999") from None


def number(text: str) -> int:
    """A whole number that protobuf's int32 holds; what it may be at a place is the api's matter."""
    try:
        found = int(text)
    except ValueError:
        found = None
    if found is None or not -_INT32 <= found < _INT32:
        raise typer.BadParameter(f"{text!r} is not a whole number, such as 3")
    return found


@dataclass(frozen=True, slots=True)
class Pair:
    """A header or a label."""

    key: str
    value: str


def pair(text: str) -> Pair:
    """`key=value`; the value may be empty and may contain further `=`."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"{text!r} is not of the form key=value")
    return Pair(key, value)


def content(argument: str) -> bytes:
    """What an argument says, or what is in the file it names: `@FILE`, `@-` for standard input."""
    if argument.startswith("@"):
        return read(argument[1:])
    return argument.encode()


def read(path: str) -> bytes:
    """A file's content; `-` is standard input."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror}") from None
