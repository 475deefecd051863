"""Jobs over REST, by as many blocking connections as there are clients."""

import asyncio
import http.client
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_TIMEOUT_S = 60.0


class RestClients:
    """Keeps a connection for each client.

    Args:
        address: `host:port` of the gateway.
        clients: how many.
    """

    def __init__(self, address: str, clients: int) -> None:
        self._address = address
        self._threads = ThreadPoolExecutor(clients)
        self._own = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    async def post(self, path: str, body: bytes) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: it was refused.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._post, path, body)

    def close(self) -> None:
        """Closes the connections; nothing may be under way."""
        self._threads.shutdown()
        for connection in self._open:
            connection.close()

    def _post(self, path: str, body: bytes) -> bytes:
        connection: Any = getattr(self._own, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._address, timeout=_TIMEOUT_S)
            self._own.connection = connection
            self._open.append(connection)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content: bytes = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"HTTP {answer.status}: {content[:500].decode(errors='replace')}")
        return content


def names(answers: Sequence[Any]) -> list[str]:
    """The names of the jobs in answers of either creation.

    Raises:
        RuntimeError: one of a batch was refused.
    """
    found: list[str] = []
    for answer in answers:
        for each in answer.get("results", [{"job": answer}]):
            if "error" in each:
                raise RuntimeError(f"a job was refused: {each['error']}")
            found.append(each["job"]["name"])
    return found
