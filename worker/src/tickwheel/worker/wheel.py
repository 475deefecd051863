"""The timing wheel: what is held, by the instant at which it is to be looked at. Pure.

A slot for each occupied millisecond, and a heap of the occupied ones: adding and taking cost O(1)
where instants repeat (bursts, round instants) and O(log slots) where they do not, however far ahead
or behind the instants lie. A wheel of fixed circles would need a tick for each empty slot; this one
sleeps until the next occupied one.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

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
        """Higher ones come first among those of one instant."""
        ...


T = TypeVar("T", bound=Holdable)


class _Slot(Generic[T]):
    """The items of one instant; sorted only where priorities differ, and then once."""

    __slots__ = ("_mixed", "_priority", "items")

    def __init__(self, priority: int) -> None:
        self.items: dict[RunId, T] = {}
        self._priority: int | None = priority
        self._mixed = False

    def add(self, item: T) -> None:
        self.items[item.run] = item
        if item.priority != self._priority:
            self._mixed = True

    def first(self, count: int) -> list[T]:
        if self._mixed:
            ordered = sorted(self.items.values(), key=lambda item: -item.priority)
            self.items = {item.run: item for item in ordered}
            self._mixed = False
            # Whatever is added from now on may belong further ahead.
            self._priority = None
        return list(itertools.islice(self.items.values(), count))


class Wheel(Generic[T]):
    """Items by instant (Unix milliseconds, any integer); within one, by priority, then arrival."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot[T]] = {}
        # Holds each occupied instant, and some that have been emptied by removals.
        self._instants: list[int] = []
        self._place: dict[RunId, int] = {}
        self._by_segment: dict[int, dict[RunId, T]] = {}
        self._by_job: dict[str, dict[RunId, T]] = {}

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, run: RunId) -> bool:
        return run in self._place

    def __iter__(self) -> Iterator[T]:
        """All items, in no order."""
        for slot in self._slots.values():
            yield from slot.items.values()

    def add(self, item: T, at_ms: int) -> None:
        """Puts an item at an instant.

        Raises:
            ValueError: one with the same `run` is there.
        """
        run = item.run
        if run in self._place:
            raise ValueError(f"{run} is already held")
        self._place[run] = at_ms
        slot = self._slots.get(at_ms)
        if slot is None:
            slot = self._slots[at_ms] = _Slot(item.priority)
            heapq.heappush(self._instants, at_ms)
        slot.add(item)
        self._by_segment.setdefault(item.segment, {})[run] = item
        self._by_job.setdefault(run.job_uid, {})[run] = item

    def next_ms(self) -> int | None:
        """The earliest occupied instant; None when empty."""
        instants = self._instants
        while instants and instants[0] not in self._slots:
            heapq.heappop(instants)
        return instants[0] if instants else None

    def pop_due(self, until_ms: int, limit: int) -> list[T]:
        """Takes out items at instants up to and including `until_ms`, in order.

        Args:
            until_ms: Unix time in milliseconds.
            limit: at most this many, from 1.
        """
        taken: list[T] = []
        while len(taken) < limit:
            instant = self.next_ms()
            if instant is None or instant > until_ms:
                break
            items = self._slots[instant].first(limit - len(taken))
            for item in items:
                self._forget(item)
            taken.extend(items)
        return taken

    def remove(self, run: RunId) -> T | None:
        """Takes one item out; None where it is not held."""
        at_ms = self._place.get(run)
        if at_ms is None:
            return None
        item = self._slots[at_ms].items[run]
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
        at_ms = self._place.pop(run)
        slot = self._slots[at_ms]
        del slot.items[run]
        if not slot.items:
            del self._slots[at_ms]
            self._compact()
        _discard(self._by_segment, item.segment, run)
        _discard(self._by_job, run.job_uid, run)

    def _compact(self) -> None:
        """Removals far ahead leave instants behind; they may not outnumber the occupied ones."""
        if len(self._instants) > 64 + 2 * len(self._slots):
            self._instants = list(self._slots)
            heapq.heapify(self._instants)


K = TypeVar("K")


def _discard(index: dict[K, dict[RunId, T]], key: K, run: RunId) -> None:
    entries = index[key]
    del entries[run]
    if not entries:
        del index[key]
