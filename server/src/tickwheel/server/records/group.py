"""What a consumer group has been handed and has acknowledged. Pure: time comes in as `now_ms`."""

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tickwheel.server.records.acked import Acked
from tickwheel.server.records.record import PartitionState

#: A group is handed nothing new while so many of its records are unacknowledged.
MAX_OUTSTANDING = 20_000


class Position(NamedTuple):
    """A record of the group's topic."""

    number: int
    offset: int


class Member:
    """A consumer while it pulls or holds records."""

    __slots__ = ("calls", "held", "name", "seen_ms", "timeout_ms")

    def __init__(self, name: str) -> None:
        self.name = name
        self.timeout_ms = 0
        #: Pulls that are being answered; it is not silent while there are any.
        self.calls = 0
        self.seen_ms = 0
        self.held: set[Position] = set()


class GroupPartition:
    """A group's state in one partition."""

    __slots__ = ("acked", "holders", "next", "returned", "saved", "version")

    def __init__(self, acked: Acked) -> None:
        self.acked = acked
        #: Offsets from here on were never handed out by this process.
        self.next = acked.low
        #: Handed out and come back unacknowledged; a heap. May hold what was acknowledged since.
        self.returned: list[int] = []
        self.holders: dict[int, Member] = {}
        #: Counts changes of `acked`.
        self.version = 0
        #: The version that is on the disk.
        self.saved = 0


class Group:
    """One group's state in all partitions of its topic.

    At least once: a record is held by the member that it was handed to until it is acknowledged,
    released, or the member is silent for its time-out; then it is handed out again, before newer
    ones. Who holds what is not stored: after a restart all that is unacknowledged is handed out.
    """

    def __init__(self, positions: Mapping[int, Acked]) -> None:
        self.partitions = {number: GroupPartition(acked) for number, acked in positions.items()}
        self._members: dict[str, Member] = {}
        self._turn = 0

    @property
    def is_used(self) -> bool:
        """Whether anybody pulls or holds records."""
        return bool(self._members)

    def enter(self, name: str, timeout_ms: int, now_ms: int) -> Member:
        """A pull of a consumer begins; `leave` must follow."""
        self.expire(now_ms)
        member = self._members.setdefault(name, Member(name))
        member.timeout_ms = timeout_ms
        member.seen_ms = now_ms
        member.calls += 1
        return member

    def leave(self, member: Member, now_ms: int) -> None:
        """A pull ends."""
        member.calls -= 1
        member.seen_ms = now_ms
        self._drop_idle(member)

    def take(
        self, member: Member, bounds: Mapping[int, PartitionState], limit: int, now_ms: int
    ) -> list[Position]:
        """Hands records to a member: those that came back first, then new ones.

        Args:
            member: has entered.
            bounds: the partitions, by number.
            limit: how many at most.
            now_ms: the steady clock.
        """
        self.expire(now_ms)
        taken: list[Position] = []
        # Another partition goes first each time, else a busy one would keep the others waiting.
        order = sorted(self.partitions)
        order = order[self._turn :] + order[: self._turn]
        self._turn = (self._turn + 1) % len(order)
        outstanding = 0
        for number in order:
            partition = self.partitions[number]
            self._forget_below(number, partition, bounds[number].start)
            outstanding += len(partition.holders) + len(partition.returned)
            while partition.returned and len(taken) < limit:
                offset = heapq.heappop(partition.returned)
                if offset not in partition.acked:
                    taken.append(Position(number, offset))
        fresh = min(limit - len(taken), MAX_OUTSTANDING - outstanding)
        for number in order:
            partition = self.partitions[number]
            for first, end in partition.acked.gaps(partition.next, bounds[number].end):
                if fresh <= 0:
                    break
                stop = min(end, first + fresh)
                taken += [Position(number, offset) for offset in range(first, stop)]
                fresh -= stop - first
                partition.next = stop
        for position in taken:
            self.partitions[position.number].holders[position.offset] = member
        member.held.update(taken)
        return taken

    def release(self, positions: Iterable[Position]) -> None:
        """Takes records back that have not reached their member after all."""
        for position in positions:
            partition = self.partitions[position.number]
            member = partition.holders.pop(position.offset, None)
            if member is not None:
                member.held.discard(position)
                heapq.heappush(partition.returned, position.offset)

    def ack(self, positions: Iterable[Position], bounds: Mapping[int, PartitionState]) -> None:
        """Acknowledges records; those that do not exist are passed over."""
        for position in positions:
            partition = self.partitions.get(position.number)
            if partition is None or position.offset >= bounds[position.number].end:
                continue
            if partition.acked.add(position.offset):
                partition.version += 1
                self._unhold(partition, position)

    def expire(self, now_ms: int) -> None:
        """Takes back what silent members hold."""
        for member in list(self._members.values()):
            if not member.calls and now_ms >= member.seen_ms + member.timeout_ms:
                self.release(list(member.held))
                del self._members[member.name]

    def next_expiry_ms(self) -> int | None:
        """When the next member is silent for too long, if it stays so."""
        return min(
            (
                member.seen_ms + member.timeout_ms
                for member in self._members.values()
                if not member.calls
            ),
            default=None,
        )

    def _forget_below(self, number: int, partition: GroupPartition, start: int) -> None:
        """Records below `start` are no longer kept: nobody waits for their acknowledgement."""
        if start <= partition.acked.low:
            return
        partition.acked.advance(start)
        partition.version += 1
        partition.next = max(partition.next, partition.acked.low)
        for offset in [offset for offset in partition.holders if offset in partition.acked]:
            self._unhold(partition, Position(number, offset))

    def _unhold(self, partition: GroupPartition, position: Position) -> None:
        member = partition.holders.pop(position.offset, None)
        if member is not None:
            member.held.discard(position)
            self._drop_idle(member)

    def _drop_idle(self, member: Member) -> None:
        if not member.calls and not member.held:
            self._members.pop(member.name, None)
