"""Cursors of lists: which list, and the key of the last item."""

import json
from typing import Any, cast

#: What an INTEGER of SQLite is below.
_BEYOND = 1 << 63


def encode_cursor(kind: str, *key: str | int) -> bytes:
    """A cursor that goes on behind the key."""
    return json.dumps([kind, *key], separators=(",", ":")).encode()


def decode_cursor(cursor: bytes, kind: str, *types: type) -> tuple[Any, ...]:
    """The key of a cursor.

    Raises:
        ValueError: it is not a cursor of that kind.
    """
    try:
        found: Any = json.loads(cursor)
    except RecursionError as error:
        raise ValueError("not a cursor: nested too deeply") from error
    if not isinstance(found, list):
        raise ValueError("not a cursor")
    first, *rest = cast("list[Any]", found) or [""]
    if first != kind or [type(part) for part in rest] != list(types):
        raise ValueError("not a cursor of this list")
    if any(type(part) is int and not -_BEYOND <= part < _BEYOND for part in rest):
        raise ValueError("not a cursor: a number that no column holds")
    return tuple(rest)
