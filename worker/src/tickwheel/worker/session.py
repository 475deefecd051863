"""One open stream: sends, receives and beats for as long as it lasts."""

import asyncio
from collections import deque
from collections.abc import Callable

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.clock import Clock
from tickwheel.worker.connector import Duplex, StreamFailedError

_LAST_WORDS_S = 0.1


class Session:
    """Carries messages of one stream; what they mean is the core's business."""

    def __init__(self, number: int, duplex: Duplex, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        #: Whether the scheduler has welcomed us.
        self.welcomed = False
        self._duplex = duplex
        self._clock = clock
        self._outbox: deque[pb.ConnectRequest] = deque()
        self._filled = asyncio.Event()
        self._interval_ms: asyncio.Future[int] = loop.create_future()
        self._closing: asyncio.Future[str] = loop.create_future()

    def send(self, message: pb.ConnectRequest) -> None:
        """Queues a message."""
        self._outbox.append(message)
        self._filled.set()

    def close(self, reason: str) -> None:
        """Ends the stream."""
        if not self._closing.done():
            self._closing.set_result(reason)

    def beat_every(self, interval_ms: int) -> None:
        """Begins to beat; called once, on welcome."""
        self.welcomed = True
        if not self._interval_ms.done():
            self._interval_ms.set_result(interval_ms)

    async def run(
        self, receive: Callable[[pb.ConnectResponse], None], beat: Callable[[], None]
    ) -> None:
        """Runs until the stream ends.

        Args:
            receive: is given each message.
            beat: is called whenever a heartbeat is due.

        Raises:
            StreamFailedError: it was refused, has broken, or was closed by `close`.
        """
        tasks = [
            asyncio.ensure_future(self._read(receive)),
            asyncio.ensure_future(self._write()),
            asyncio.ensure_future(self._beat(beat)),
            asyncio.ensure_future(self._closed()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                # A stream that cannot be written to has ended; what is read says why.
                await asyncio.wait(tasks[:1], timeout=_LAST_WORDS_S)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, receive: Callable[[pb.ConnectResponse], None]) -> None:
        async for response in self._duplex.responses():
            receive(response)

    async def _write(self) -> None:
        while True:
            while self._outbox:
                await self._duplex.send(self._outbox.popleft())
            self._filled.clear()
            await self._filled.wait()

    async def _beat(self, beat: Callable[[], None]) -> None:
        interval_ms = await self._interval_ms
        while True:
            await self._clock.sleep(interval_ms / 1000)
            beat()

    async def _closed(self) -> None:
        raise StreamFailedError(await self._closing)
