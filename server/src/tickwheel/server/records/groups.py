"""Consumer groups: pulls that wait, acknowledgements that last."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tickwheel.server.domain.clock import Clock
from tickwheel.server.records.group import Group, Position
from tickwheel.server.records.grouptables import (
    PositionRow,
    StoredGroup,
    drop_groups,
    find_group,
    make_group,
    save_positions,
    touch_groups,
)
from tickwheel.server.records.reading import Fetched, Span
from tickwheel.server.records.record import PartitionState
from tickwheel.server.records.tail import Tail
from tickwheel.server.records.writer import Writer
from tickwheel.v1 import executor_service_pb2 as pb

#: Of one answer, so that a gRPC client with default settings (4 MiB) takes it with all its framing.
MAX_ANSWER_BYTES = 3_500_000
_DROPPED_AT_ONCE = 100

#: Partitions by topic and number, as committed.
Topics = Mapping[str, Mapping[int, PartitionState]]
Fetch = Callable[[Sequence[Span], int], Awaitable[Fetched]]


@dataclass(slots=True, eq=False)
class _Active:
    """A group that was used since the process began."""

    id: int
    topic: str
    group: Group
    #: Unix milliseconds.
    used_ms: int
    waiters: set["asyncio.Future[None]"] = field(default_factory=set["asyncio.Future[None]"])

    def wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)


class Groups:
    """All groups of the log. Belongs to the event loop."""

    def __init__(self, writer: Writer, clock: Clock, topics: Topics, fetch: Fetch) -> None:
        self._writer = writer
        self._clock = clock
        self._topics = topics
        self._fetch = fetch
        self._active: dict[tuple[str, str], _Active] = {}
        self._nameless = itertools.count()
        self._is_stopping = False

    async def pull(
        self,
        topic: str,
        group: str,
        *,
        limit: int,
        wait_ms: int,
        consumer: str,
        session_timeout_ms: int,
        start_at_end: bool,
    ) -> pb.PullRecordsResponse:
        """Hands out records; see `RecordLog.pull`."""
        active = await self._join(topic, group, start_at_end)
        state = active.group
        until_ms = self._clock.steady_ms() + wait_ms
        # No consumer of the contract's can be called so.
        name = consumer or f"\0{next(self._nameless)}"
        member = state.enter(name, session_timeout_ms, self._clock.steady_ms())
        try:
            while True:
                now_ms = self._clock.steady_ms()
                taken = state.take(member, self._topics[topic], limit, now_ms)
                if taken:
                    response = await self._read(active, taken)
                    if response.records:
                        return response
                elif limit == 0 or now_ms >= until_ms or self._is_stopping:
                    return pb.PullRecordsResponse()
                else:
                    await self._wait(active, until_ms - now_ms)
        finally:
            state.leave(member, self._clock.steady_ms())
            active.used_ms = self._clock.now_ms()
            # From now on it can be silent for too long, which others may be waiting for.
            active.wake()

    async def ack(self, topic: str, group: str, positions: Sequence[Position]) -> None:
        """Acknowledges records; see `RecordLog.ack`."""
        active = self._active.get((topic, group))
        if active is None:
            now_ms = self._clock.now_ms()
            found = await self._writer.submit(lambda tail: find_group(tail, topic, group, now_ms))
            if found is None:
                return
            active = self._activate(topic, group, found)
        active.used_ms = self._clock.now_ms()
        active.group.ack(positions, self._topics[topic])
        await self._save(active)
        # The group may have been at its bound.
        active.wake()

    def wake(self, topic: str) -> None:
        """Has waiting pulls of a topic look again."""
        for active in self._active.values():
            if active.topic == topic:
                active.wake()

    def stop_waiting(self) -> None:
        """Has pulls answer at once with what there is, from now on."""
        self._is_stopping = True
        for active in self._active.values():
            active.wake()

    async def drop_unused(self, before_ms: int) -> None:
        """Drops groups that nobody has used since an instant, Unix milliseconds.

        Raises:
            LogUnavailable: not all could be dropped.
        """
        used_ms = {active.id: active.used_ms for active in self._active.values()}
        if used_ms:
            await self._writer.submit(lambda tail: touch_groups(tail, used_ms))
        for name, active in list(self._active.items()):
            if active.used_ms < before_ms and not active.group.is_used:
                del self._active[name]
        while True:
            spared = {active.id for active in self._active.values()}

            def drop(tail: Tail, spared: set[int] = spared) -> int:
                return drop_groups(tail, before_ms, _DROPPED_AT_ONCE, spared)

            if await self._writer.submit(drop) < _DROPPED_AT_ONCE:
                return

    async def _join(self, topic: str, group: str, start_at_end: bool) -> _Active:
        active = self._active.get((topic, group))
        if active is not None:
            return active
        now_ms = self._clock.now_ms()
        stored = await self._writer.submit(
            lambda tail: make_group(tail, topic, group, now_ms, at_end=start_at_end)
        )
        return self._activate(topic, group, stored)

    def _activate(self, topic: str, group: str, stored: StoredGroup) -> _Active:
        """Its state in memory; that of whoever was first where several have asked for it."""
        return self._active.setdefault(
            (topic, group),
            _Active(stored.id, topic, Group(stored.positions), self._clock.now_ms()),
        )

    async def _read(self, active: _Active, taken: Sequence[Position]) -> pb.PullRecordsResponse:
        """Reads what was taken; what does not reach the consumer is given back."""
        try:
            fetched = await self._fetch(_spans(taken, self._topics[active.topic]), MAX_ANSWER_BYTES)
        except BaseException:
            active.group.release(taken)
            active.wake()
            raise
        response = fetched.response
        if len(response.records) < len(taken):
            read = {Position(record.partition, record.offset) for record in response.records}
            rest = [position for position in taken if position not in read]
            if fetched.is_cut:
                active.group.release(rest)
                active.wake()
            else:
                # The retention has run out for them meanwhile.
                active.group.ack(rest, self._topics[active.topic])
        return response

    async def _wait(self, active: _Active, wait_ms: int) -> None:
        """Until woken, until a silent member's time is up, or for `wait_ms`."""
        expiry_ms = active.group.next_expiry_ms()
        if expiry_ms is not None:
            wait_ms = min(wait_ms, max(expiry_ms - self._clock.steady_ms(), 0))
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        active.waiters.add(waiter)
        sleeper = asyncio.ensure_future(self._clock.sleep(wait_ms / 1000))
        try:
            await asyncio.wait((waiter, sleeper), return_when=asyncio.FIRST_COMPLETED)
        finally:
            active.waiters.discard(waiter)
            sleeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sleeper

    async def _save(self, active: _Active) -> None:
        """Stores what has changed, also what an earlier attempt failed to store."""
        bounds = self._topics[active.topic]
        stale = [
            (partition, partition.version, bounds[number].id)
            for number, partition in active.group.partitions.items()
            if partition.saved != partition.version
        ]
        if not stale:
            return
        rows = [
            PositionRow(active.id, partition_id, partition.acked.low, partition.acked.to_bytes())
            for partition, _, partition_id in stale
        ]
        await self._writer.submit(lambda tail: save_positions(tail, rows))
        for partition, version, _ in stale:
            partition.saved = max(partition.saved, version)


def _spans(taken: Sequence[Position], bounds: Mapping[int, PartitionState]) -> list[Span]:
    """Stretches of offsets, partitions in the order in which they were taken from."""
    offsets: dict[int, list[int]] = {}
    for number, offset in taken:
        offsets.setdefault(number, []).append(offset)
    spans: list[Span] = []
    for number, found in offsets.items():
        state = bounds[number]
        first = last = found[0]
        for offset in found[1:]:
            if offset != last + 1:
                spans.append(Span(state.topic, state.id, number, first, last))
                first = offset
            last = offset
        spans.append(Span(state.topic, state.id, number, first, last))
    return spans
