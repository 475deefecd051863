"""Reading from a server's connection."""

import socket


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """The next ``size`` bytes.

    Raises:
        EOFError: The server closed the connection before.
        OSError: The connection failed or timed out.
    """
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError("the connection was closed")
        data += chunk
    return bytes(data)
