"""The timing wheel: what is held, by the instant at which it is to be looked at. Pure.

A lane for each priority and user, and in it a slot for each occupied millisecond: adding and taking
cost O(1) where instants repeat (bursts, round instants) and O(log slots) where they do not, however
far ahead or behind the instants lie. A wheel of fixed circles would need a tick for each empty
slot; this one sleeps until the next occupied one.

Among what is due, users take turns, and of one user a higher priority goes first: the storm of one
leaves the lateness of another alone, whatever priority it claims.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from tickwheel.worker.publisher.port import RunId


class Holdable(Protocol):
    """What a wheel can hold."""

    @property
    def run(self) -> RunId:
        """Unique within the wheel."""
        ...

    @property
    def segment(self) -> int:
        """The segment it belongs to."""
        ...

    @property
    def epoch(self) -> int:
        """The fence it was assigned under."""
        ...

    @property
    def priority(self) -> int:
        """Higher ones come first among those of a user that are due."""
        ...

    @property
    def user(self) -> str:
        """Users take turns."""
        ...


T = TypeVar("T", bound=Holdable)


class _LaneKey(NamedTuple):
    """A user's lanes sort as they are served."""

    #: The negative priority.
    rank: int
    user: str


class _Place(NamedTuple):
    lane: _LaneKey
    at_ms: int


class _Lane(Generic[T]):
    """The items of one priority and user, by instant, then arrival."""

    __slots__ = ("instants", "slots")

    def __init__(self) -> None:
        self.slots: dict[int, dict[RunId, T]] = {}
        # Holds each occupied instant, and some that have been emptied by removals.
        self.instants: list[int] = []

    def add(self, item: T, at_ms: int) -> bool:
        """Adds an item; whether it is the earliest now."""
        slot = self.slots.get(at_ms)
        if slot is not None:
            slot[item.run] = item
            return False
        is_first = not self.slots or at_ms < self.next_ms()
        self.slots[at_ms] = {item.run: item}
        heapq.heappush(self.instants, at_ms)
        return is_first

    def next_ms(self) -> int:
        """The earliest occupied instant; there has to be one."""
        instants = self.instants
        while instants[0] not in self.slots:
            heapq.heappop(instants)
        return instants[0]

    def first(self, limit: int) -> list[T]:
        """Items of the earliest instant, without taking them out."""
        return list(itertools.islice(self.slots[self.next_ms()].values(), limit))

    def discard(self, run: RunId, at_ms: int) -> None:
        slot = self.slots[at_ms]
        del slot[run]
        if not slot:
            del self.slots[at_ms]
            # Removals far ahead leave instants behind; they may not outnumber the occupied ones.
            if len(self.instants) > 64 + 2 * len(self.slots):
                self.instants = list(self.slots)
                heapq.heapify(self.instants)


class Wheel(Generic[T]):
    """Items by instant (Unix milliseconds, any integer)."""

    def __init__(self) -> None:
        self._lanes: dict[_LaneKey, _Lane[T]] = {}
        # Each lane at its earliest instant, and some at instants that are no more.
        self._heads: list[tuple[int, _LaneKey]] = []
        self._place: dict[RunId, _Place] = {}
        self._by_segment: dict[int, dict[RunId, T]] = {}
        self._by_job: dict[str, dict[RunId, T]] = {}

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, run: RunId) -> bool:
        return run in self._place

    def __iter__(self) -> Iterator[T]:
        """All items, in no order."""
        for lane in self._lanes.values():
            for slot in lane.slots.values():
                yield from slot.values()

    def add(self, item: T, at_ms: int) -> None:
        """Puts an item at an instant.

        Raises:
            ValueError: one with the same `run` is there.
        """
        run = item.run
        if run in self._place:
            raise ValueError(f"{run} is already held")
        key = _LaneKey(-item.priority, item.user)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane[T]()
        if lane.add(item, at_ms):
            heapq.heappush(self._heads, (at_ms, key))
        self._place[run] = _Place(key, at_ms)
        self._by_segment.setdefault(item.segment, {})[run] = item
        self._by_job.setdefault(run.job_uid, {})[run] = item

    def next_ms(self) -> int | None:
        """The earliest occupied instant; None when empty."""
        heads = self._heads
        while heads:
            at_ms, key = heads[0]
            lane = self._lanes.get(key)
            if lane is not None and lane.next_ms() == at_ms:
                return at_ms
            heapq.heappop(heads)
            # What was the lane's earliest is gone; it stands at the next one.
            if lane is not None and lane.next_ms() > at_ms:
                heapq.heappush(heads, (lane.next_ms(), key))
        return None

    def pop_due(self, until_ms: int, limit: int) -> list[T]:
        """Takes out items at instants up to and including `until_ms`.

        Users in turn, whose highest priority that is due is the highest first, then who has waited
        longest; of one user by priority, instant, then arrival.

        Args:
            until_ms: Unix time in milliseconds.
            limit: at most this many, from 1.
        """
        lanes = self._due_lanes(until_ms)
        users: dict[str, list[_LaneKey]] = {}
        for key in sorted(lanes, key=lambda key: (key.rank, lanes[key])):
            users.setdefault(key.user, []).append(key)
        taken: list[T] = []
        turns: list[list[_LaneKey]] = list(users.values())
        while turns and len(taken) < limit:
            share = max(1, (limit - len(taken)) // len(turns))
            turns = [
                keys
                for keys in turns
                if self._serve(keys, until_ms, min(share, limit - len(taken)), taken)
            ]
        for key in lanes:
            lane = self._lanes.get(key)
            if lane is not None:
                heapq.heappush(self._heads, (lane.next_ms(), key))
        return taken

    def _due_lanes(self, until_ms: int) -> dict[_LaneKey, int]:
        """The lanes that have something due, with the instant of their first; their heads go."""
        lanes: dict[_LaneKey, int] = {}
        while (at_ms := self.next_ms()) is not None and at_ms <= until_ms:
            lanes[heapq.heappop(self._heads)[1]] = at_ms
        return lanes

    def _serve(self, keys: list[_LaneKey], until_ms: int, most: int, taken: list[T]) -> bool:
        """Takes a user's share out of its lanes; whether it has more that is due."""
        for key in keys:
            lane = self._lanes.get(key)
            while lane is not None and lane.slots and lane.next_ms() <= until_ms:
                if most <= 0:
                    return True
                items = lane.first(most)
                for item in items:
                    self._forget(item)
                taken.extend(items)
                most -= len(items)
        return False

    def remove(self, run: RunId) -> T | None:
        """Takes one item out; None where it is not held."""
        place = self._place.get(run)
        if place is None:
            return None
        item = self._lanes[place.lane].slots[place.at_ms][run]
        self._forget(item)
        return item

    def remove_jobs(self, job_uids: Iterable[str]) -> list[T]:
        """Takes out all items of these jobs."""
        return self._take(
            item for job_uid in job_uids for item in self._by_job.get(job_uid, {}).values()
        )

    def remove_below(self, epochs: Mapping[int, int]) -> list[T]:
        """Takes out all items of these segments whose epoch is lower than the one named."""
        return self._take(
            item
            for segment, epoch in epochs.items()
            for item in self._by_segment.get(segment, {}).values()
            if item.epoch < epoch
        )

    def clear(self) -> list[T]:
        """Takes out everything."""
        return self._take(iter(self))

    def _take(self, items: Iterator[T]) -> list[T]:
        taken = list(items)
        for item in taken:
            self._forget(item)
        return taken

    def _forget(self, item: T) -> None:
        run = item.run
        place = self._place.pop(run)
        lane = self._lanes[place.lane]
        lane.discard(run, place.at_ms)
        if not lane.slots:
            del self._lanes[place.lane]
            self._compact()
        _discard(self._by_segment, item.segment, run)
        _discard(self._by_job, run.job_uid, run)

    def _compact(self) -> None:
        """Lanes that ended far ahead leave their heads; these may not outnumber the others."""
        if len(self._heads) > 64 + 2 * len(self._lanes):
            self._heads = [(lane.next_ms(), key) for key, lane in self._lanes.items() if lane.slots]
            heapq.heapify(self._heads)


K = TypeVar("K")


def _discard(index: dict[K, dict[RunId, T]], key: K, run: RunId) -> None:
    entries = index[key]
    del entries[run]
    if not entries:
        del index[key]
