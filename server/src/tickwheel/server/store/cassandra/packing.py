"""Values to the bytes of the CQL protocol (native_protocol_v4.spec, section 6), by type name."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

#: Types whose values all have the same length.
FIXED_TYPES: Final = frozenset({"int", "bigint", "tinyint", "boolean", "uuid"})

SHORT: Final = struct.Struct(">H")
_INT: Final = struct.Struct(">i")
_LONG: Final = struct.Struct(">q")
_TINY: Final = struct.Struct(">b")

Pack = Callable[[Any], bytes]


def packer(type_name: str) -> Pack:
    """What packs values of a plain type.

    Raises:
        KeyError: none of our tables has a column of that type.
    """
    return _PACKERS[type_name]


def list_packer(item: Pack) -> Pack:
    """What packs lists, such as those of an IN restriction."""

    def pack(values: Any) -> bytes:
        parts = [_INT.pack(len(values))]
        for value in values:
            packed = item(value)
            parts.append(_INT.pack(len(packed)))
            parts.append(packed)
        return b"".join(parts)

    return pack


def tuple_packer(items: Sequence[Pack]) -> Pack:
    """What packs tuples, such as those that an IN restriction of several columns lists."""

    def pack(values: Any) -> bytes:
        parts: list[bytes] = []
        for item, value in zip(items, values, strict=True):
            packed = item(value)
            parts.append(_INT.pack(len(packed)))
            parts.append(packed)
        return b"".join(parts)

    return pack


def _pack_uuid(value: str | UUID) -> bytes:
    return value.bytes if isinstance(value, UUID) else bytes.fromhex(value.replace("-", ""))


_PACKERS: Final[dict[str, Pack]] = {
    "int": _INT.pack,
    "bigint": _LONG.pack,
    "tinyint": _TINY.pack,
    "boolean": lambda value: b"\1" if value else b"\0",
    "text": str.encode,
    "varchar": str.encode,
    "blob": bytes,
    "uuid": _pack_uuid,
}
