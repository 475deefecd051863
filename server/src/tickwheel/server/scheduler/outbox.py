"""What waits to be sent to one worker."""

import asyncio
from collections import deque

from tickwheel.v1 import scheduler_service_pb2 as pb


class Outbox:
    """Messages in order, but for answers to heartbeats.

    Those go first: a worker's permission hangs on them, and behind a hand-out of many megabytes
    they would come too late. They depend on no other message.
    """

    def __init__(self) -> None:
        self._urgent: deque[pb.ConnectResponse] = deque()
        self._waiting: deque[pb.ConnectResponse] = deque()
        self._ended = False
        self._some = asyncio.Event()

    def put(self, message: pb.ConnectResponse) -> None:
        """Adds a message."""
        urgent = message.WhichOneof("message") == "heartbeat_ack"
        (self._urgent if urgent else self._waiting).append(message)
        self._some.set()

    def end(self) -> None:
        """Ends the stream once everything is sent."""
        self._ended = True
        self._some.set()

    async def take(self) -> pb.ConnectResponse | None:
        """The next message; None at the end."""
        while True:
            for messages in (self._urgent, self._waiting):
                if messages:
                    return messages.popleft()
            if self._ended:
                return None
            self._some.clear()
            await self._some.wait()
