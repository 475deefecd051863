"""Which offsets of a partition a group has acknowledged. Pure."""

import struct
from bisect import bisect_right
from collections.abc import Iterator


class Acked:
    """All offsets below `low`, and stretches above it."""

    __slots__ = ("_ends", "_starts", "low")

    def __init__(self, low: int = 0) -> None:
        self.low = low
        # Half-open, in order, apart from each other and from low by at least one.
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, offset: int) -> bool:
        if offset < self.low:
            return True
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ends[index]

    def add(self, offset: int) -> bool:
        """Acknowledges one; False if it was already."""
        starts, ends = self._starts, self._ends
        if offset < self.low:
            return False
        index = bisect_right(starts, offset)  # the first stretch that begins after it
        if index and offset < ends[index - 1]:
            return False
        joins_right = index < len(starts) and starts[index] == offset + 1
        if offset == self.low:
            self.low = ends[0] if joins_right else offset + 1
            if joins_right:
                del starts[0], ends[0]
        elif index and ends[index - 1] == offset:
            if joins_right:
                ends[index - 1] = ends[index]
                del starts[index], ends[index]
            else:
                ends[index - 1] = offset + 1
        elif joins_right:
            starts[index] = offset
        else:
            starts.insert(index, offset)
            ends.insert(index, offset + 1)
        return True

    def advance(self, low: int) -> None:
        """Takes everything below an offset as acknowledged."""
        if low <= self.low:
            return
        self.low = low
        gone = bisect_right(self._starts, low)
        if gone and self._ends[gone - 1] > low:
            self.low = self._ends[gone - 1]
        del self._starts[:gone], self._ends[:gone]

    def gaps(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Half-open stretches of unacknowledged offsets between two, in order."""
        at = max(first, self.low)
        index = bisect_right(self._starts, at) - 1
        if index >= 0:
            at = max(at, self._ends[index])
        for start, stop in zip(self._starts[index + 1 :], self._ends[index + 1 :], strict=True):
            if start >= end:
                break
            yield at, start
            at = stop
        if at < end:
            yield at, end

    def to_bytes(self) -> bytes:
        """The stretches above `low` as 32-bit distances: gap, length, gap, length, and so on."""
        distances: list[int] = []
        at = self.low
        for start, end in zip(self._starts, self._ends, strict=True):
            distances += (start - at, end - start)
            at = end
        return struct.pack(f"<{len(distances)}I", *distances)

    @classmethod
    def from_bytes(cls, low: int, data: bytes) -> "Acked":
        """The reverse of `to_bytes`."""
        acked = cls(low)
        distances = iter(struct.unpack(f"<{len(data) // 4}I", data))
        at = low
        for gap, length in zip(distances, distances, strict=True):
            acked._starts.append(at + gap)
            at += gap + length
            acked._ends.append(at)
        return acked
