"""As much of Cassandra's native protocol (v4) as tells whether a node takes part in its cluster.

Source: ``native_protocol_v4.spec`` of Apache Cassandra.
"""

import socket
import struct

from engines.wire import read_exactly

_ERROR, _STARTUP, _QUERY = 0x00, 0x01, 0x07
CONSISTENCY_ONE, CONSISTENCY_ALL = 0x0001, 0x0005
_REQUEST = 0x04
_HEADER = struct.Struct(">BBhBi")
_TIMEOUT_S = 5.0


def refusal(address: str, port: int, query: str, consistency: int) -> str | None:
    """Run ``query`` and say why it failed; None when it was answered."""
    try:
        with socket.create_connection((address, port), timeout=_TIMEOUT_S) as connection:
            options = _string_map({"CQL_VERSION": "3.0.0"})
            if error := _call(connection, _STARTUP, options):
                return error
            text = query.encode()
            body = struct.pack(">i", len(text)) + text + struct.pack(">HB", consistency, 0)
            return _call(connection, _QUERY, body)
    except (OSError, EOFError) as error:
        return f"{address}:{port}: {error}"


def _call(connection: socket.socket, opcode: int, body: bytes) -> str | None:
    connection.sendall(_HEADER.pack(_REQUEST, 0, 0, opcode, len(body)) + body)
    _, _, _, answered, length = _HEADER.unpack(read_exactly(connection, _HEADER.size))
    answer = read_exactly(connection, length)
    if answered != _ERROR:
        return None
    code, size = struct.unpack_from(">iH", answer)
    return f"error {code:#06x}: {answer[6 : 6 + size].decode()}"


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _string_map(entries: dict[str, str]) -> bytes:
    pairs = (_string(key) + _string(value) for key, value in entries.items())
    return struct.pack(">H", len(entries)) + b"".join(pairs)
