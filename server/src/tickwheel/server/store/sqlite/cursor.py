"""Cursors of this engine: which list, and the key that the last page ended with."""

import struct
from typing import Final

_MILLIS: Final = struct.Struct(">q")

JOBS_OF_USER: Final = b"U"
JOBS_OF_ALL: Final = b"A"
RUNS_OF_JOB: Final = b"J"
RUNS_OF_USER: Final = b"R"
RUNS_OF_ALL: Final = b"L"


class StrangeCursorError(ValueError):
    """The cursor is not one that this list made."""


def encode(kind: bytes, number: int, *texts: str) -> bytes:
    """A cursor of a list; `texts` hold no NUL."""
    return kind + _MILLIS.pack(number) + "\0".join(texts).encode()


def decode(kind: bytes, cursor: bytes, texts: int) -> tuple[int, list[str]]:
    """What `encode` was given.

    Raises:
        ValueError: it was made by another list, or by nobody.
    """
    if cursor[:1] != kind or len(cursor) < 1 + _MILLIS.size:
        raise StrangeCursorError("not a cursor of this list")
    (number,) = _MILLIS.unpack_from(cursor, 1)
    found = cursor[1 + _MILLIS.size :].decode().split("\0") if texts else []
    if len(found) != texts or (not texts and len(cursor) != 1 + _MILLIS.size):
        raise StrangeCursorError("not a cursor of this list")
    return number, found
