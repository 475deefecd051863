"""What waits to be sent to one worker."""

import asyncio
from collections import deque
from collections.abc import Iterable

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

    def acknowledge(self, keys: Iterable[pb.RunKey]) -> None:
        """Adds acknowledgements, to the last message where that has some as well.

        Each segment stores its records by itself; a message for each would cost more than they do.
        """
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.WhichOneof("message") != "outcome_acks":
            last = pb.ConnectResponse()
            self._waiting.append(last)
        last.outcome_acks.keys.extend(keys)
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
