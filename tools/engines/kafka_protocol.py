"""As much of Kafka's protocol as tells how many brokers a broker knows.

Source: the Apache Kafka protocol guide (Metadata, version 1; request header version 1).
"""

import socket
import struct

from engines.wire import read_exactly

_METADATA, _VERSION = 3, 1
_TIMEOUT_S = 5.0
_CLIENT = b"tickwheel-engines"


def known_brokers(address: str, port: int) -> int:
    """The number of brokers in the cluster, as the broker at ``address`` knows it.

    Raises:
        OSError: The broker cannot be reached, or does not answer.
        EOFError: It closed the connection.
    """
    header = struct.pack(">hhih", _METADATA, _VERSION, 1, len(_CLIENT)) + _CLIENT
    request = header + struct.pack(">i", 0)  # no topics
    with socket.create_connection((address, port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", read_exactly(connection, 4))
        answer = read_exactly(connection, length)
    _, brokers = struct.unpack_from(">ii", answer)
    return int(brokers)
