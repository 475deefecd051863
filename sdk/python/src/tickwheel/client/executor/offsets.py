"""How far a partition is finished, when its records are finished in any order. Pure.

Kafka keeps one offset for a group and partition, and a text beside it. The offset is that of the
lowest unfinished record; the text says which ones above it are finished, so that whoever reads on
from there passes them over (as Confluent's Parallel Consumer does).
"""

import base64
import heapq
from collections.abc import Iterable
from typing import NamedTuple

#: No more records are taken while the lowest unfinished one is so far behind; the text then fits.
WINDOW = 10_000
#: Kafka's `offset.metadata.max.bytes` is 4,096 unless a broker says otherwise.
_MAX_TEXT = 4_000
_MARK = "tickwheel1:"
#: Bytes of the bitmap, which is in base64.
_MAX_BITMAP = (_MAX_TEXT - len(_MARK)) // 4 * 3


class Committed(NamedTuple):
    """What is stored for a partition."""

    offset: int
    """The lowest record that is not finished."""
    text: str
    """Which records above it are."""


class PartitionOffsets:
    """The records of one partition that this consumer was handed.

    Args:
        start: records below are finished. 0 where that is not known: it then begins with the
            first record.
        finished: further records that are.
        in_work: records that are being worked on already, and will be handed out again.
    """

    __slots__ = ("_end", "_finished", "_in_work", "_known", "_low", "_said")

    def __init__(
        self, start: int, finished: Iterable[int] = (), in_work: Iterable[int] = ()
    ) -> None:
        #: Beyond the last record that was handed out. Nothing beyond may be passed over.
        self._end = start
        self._low = start
        self._finished = {offset for offset in finished if offset >= start}
        #: Those that were finished when it began.
        self._said = frozenset(self._finished)
        self._in_work = {offset for offset in in_work if offset >= start} - self._finished
        #: Both as a heap, as the lowest is looked for with each record; those that were finished
        #: and lie below it are gone.
        self._known = [*self._finished, *self._in_work]
        heapq.heapify(self._known)

    @property
    def low(self) -> int:
        """The lowest record that is not finished, as far as is known."""
        return self._low

    @property
    def end(self) -> int:
        """Beyond the last record that was handed out; none below comes unless the log goes back."""
        return self._end

    @property
    def span(self) -> int:
        """From the lowest unfinished record to the end of what was handed out."""
        return self._end - self._low

    def begin(self, offset: int) -> bool:
        """Notes that a record was handed out; those of a partition come in order.

        Returns:
            Whether it is to be worked on: not when it is finished, or in work already.
        """
        self._end = max(self._end, offset + 1)
        is_new = (
            offset >= self._low and offset not in self._finished and offset not in self._in_work
        )
        if is_new:
            self._in_work.add(offset)
            heapq.heappush(self._known, offset)
        self._advance()
        return is_new

    def finish(self, offset: int) -> None:
        """Notes that a record is finished."""
        if offset < self._low or offset in self._finished:
            return
        if offset in self._in_work:
            self._in_work.discard(offset)
        else:
            heapq.heappush(self._known, offset)
        self._finished.add(offset)
        self._advance()

    def committed(self) -> Committed:
        """What to store now; as it began while it is not known where the partition begins."""
        # Work from before the handing over may have ended meanwhile. To store that, and that the
        # first record is not finished, would bring back all that lies before it.
        finished = self._finished if self._end else self._said
        bits = bytearray()
        for offset in finished:
            index, bit = divmod(offset - self._low, 8)
            # Offsets may have large gaps. What does not fit is done again, should it come to that.
            if index < _MAX_BITMAP:
                bits.extend(bytes(max(index + 1 - len(bits), 0)))
                bits[index] |= 1 << bit
        text = _MARK + base64.b64encode(bits).decode() if bits else ""
        return Committed(self._low, text)

    def _advance(self) -> None:
        known = self._known
        while known and known[0] < self._end and known[0] in self._finished:
            self._finished.discard(heapq.heappop(known))
        # Records in work that were not handed out (again) yet lie beyond the end.
        self._low = max(self._low, min(known[0], self._end) if known else self._end)


def finished_offsets(committed: Committed) -> list[int]:
    """The records above the offset that are finished; none where the text is not of ours."""
    if not committed.text.startswith(_MARK):
        return []
    try:
        bits = base64.b64decode(committed.text[len(_MARK) :], validate=True)
    except ValueError:
        return []
    return [
        committed.offset + index * 8 + bit
        for index, byte in enumerate(bits)
        for bit in range(8)
        if byte >> bit & 1
    ]
