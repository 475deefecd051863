"""A scheduler that does as it is told, and a log in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from typing_extensions import override

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Ack, Publisher, Record, Report, Result, Unavailable
from worker.making import heartbeat_ack, welcome
from worker.virtual import VirtualClock, VirtualTime


class FakeScheduler:
    """Welcomes, answers heartbeats, and keeps what it hears; acknowledges outcomes if told to."""

    def __init__(self, time: VirtualTime, name: str = "s1") -> None:
        self.name = name
        self.clock = VirtualClock(time)
        self.answers_heartbeats = True
        self.acknowledges = True
        self.heard: list[pb.ConnectRequest] = []
        self.streams = 0
        self._send: Callable[[pb.ConnectResponse], Awaitable[None]] | None = None
        self._hang_up: asyncio.Event | None = None

    async def serve(
        self,
        incoming: AsyncIterator[pb.ConnectRequest],
        send: Callable[[pb.ConnectResponse], Awaitable[None]],
    ) -> None:
        self.streams += 1
        hung_up = self._hang_up = asyncio.Event()
        reading = asyncio.ensure_future(self._read(incoming, send))
        waiting = asyncio.ensure_future(hung_up.wait())
        try:
            await asyncio.wait((reading, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._send = None
            reading.cancel()
            waiting.cancel()

    async def say(self, message: pb.ConnectResponse) -> None:
        assert self._send is not None, "no worker is connected"
        await self._send(message)

    def hang_up(self) -> None:
        assert self._hang_up is not None
        self._hang_up.set()

    def messages(self, kind: str) -> list[pb.ConnectRequest]:
        return [message for message in self.heard if message.WhichOneof("message") == kind]

    def outcomes(self) -> list[pb.Outcome]:
        return [o for message in self.messages("outcomes") for o in message.outcomes.outcomes]

    async def _read(
        self,
        incoming: AsyncIterator[pb.ConnectRequest],
        send: Callable[[pb.ConnectResponse], Awaitable[None]],
    ) -> None:
        async for message in incoming:
            self.heard.append(message)
            match message.WhichOneof("message"):
                case "hello":
                    await send(welcome(self.name, self.clock.now_ms()))
                    self._send = send
                case "heartbeat" if self.answers_heartbeats:
                    sequence = message.heartbeat.sequence
                    await send(heartbeat_ack(sequence, self.clock.now_ms()))
                case "outcomes" if self.acknowledges:
                    keys = [outcome.key for outcome in message.outcomes.outcomes]
                    await send(pb.ConnectResponse(outcome_acks=pb.OutcomeAcks(keys=keys)))
                case _:
                    pass


class FakePublisher(Publisher):
    """A log that takes everything at once, unless it is held up."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._report: Report | None = None
        self.held_up = False
        self.waiting: list[Record] = []
        self.expected: list[Record] = []
        #: Each record with the true time at which it was given.
        self.given: list[tuple[Record, int]] = []
        self.calls: list[int] = []
        self.closed = False
        self.aborted = False

    @override
    async def start(self, report: Report) -> None:
        self._report = report

    @property
    @override
    def ready(self) -> bool:
        return not self.held_up

    @override
    def expect(self, records: Sequence[Record]) -> None:
        self.expected.extend(records)

    @override
    async def publish(self, records: Sequence[Record]) -> None:
        self.calls.append(len(records))
        self.given.extend((record, self._time.wall_ms) for record in records)
        self.waiting.extend(records)
        if not self.held_up:
            self.release()

    def release(self, result: Result | None = None) -> None:
        """Reports everything outstanding, by default as acknowledged."""
        waiting, self.waiting = self.waiting, []
        if waiting:
            assert self._report is not None
            self._report(waiting, [result or Ack(0, 1, self._time.wall_ms)] * len(waiting))

    @override
    async def abort(self) -> None:
        self.release(Unavailable("aborted"))
        self.aborted = True

    @override
    async def close(self) -> None:
        while self.waiting:
            await self._time.sleep(0.001)
        self.closed = True

    def names(self) -> list[str]:
        return [record.run.run_id for record, _ in self.given]
