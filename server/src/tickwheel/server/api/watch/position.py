"""Where a watch stands, so that another one can go on from there."""

from collections import deque
from dataclasses import dataclass
from hashlib import blake2b

from tickwheel.server.domain.run import Run

_HEAD = 8
_DIGEST = 8
_MOST_KNOWN = 64


@dataclass(frozen=True, slots=True)
class Position:
    """All that was recorded before `since_ms` was shown, and of what came later what `known` names.

    Further ones may have been shown too: they are shown again.
    """

    #: Unix milliseconds.
    since_ms: int
    #: Digests of states of runs.
    known: frozenset[bytes] = frozenset()

    def encode(self) -> bytes:
        """As the cursor of a resume token."""
        return self.since_ms.to_bytes(_HEAD) + b"".join(sorted(self.known))

    @staticmethod
    def decode(cursor: bytes) -> "Position":
        """Reads what `encode` wrote.

        Raises:
            ValueError: it did not write that.
        """
        if len(cursor) < _HEAD or (len(cursor) - _HEAD) % _DIGEST:
            raise ValueError("not a position")
        known = (cursor[at : at + _DIGEST] for at in range(_HEAD, len(cursor), _DIGEST))
        return Position(int.from_bytes(cursor[:_HEAD]), frozenset(known))


class Trail:
    """The latest states that a watch has shown."""

    def __init__(self, known: frozenset[bytes] = frozenset()) -> None:
        self._shown: deque[tuple[int, bytes]] = deque(maxlen=_MOST_KNOWN)
        self._inherited: frozenset[bytes] = known

    def add(self, run: Run) -> None:
        """Notes that a state was shown."""
        self._shown.append((run.update_ms, digest(run)))

    def position(self, since_ms: int) -> Position:
        """Where the watch stands when all from before `since_ms` was shown."""
        known = {mark for update_ms, mark in self._shown if update_ms >= since_ms}
        room = _MOST_KNOWN - len(known)
        return Position(since_ms, frozenset(known | set(list(self._inherited)[:room])))

    def forget_inherited(self) -> None:
        """What the former watch had shown lies behind by now."""
        self._inherited = frozenset()


def digest(run: Run) -> bytes:
    """Names one state of one run.

    Tokens of earlier servers name it without the epoch: such a state is shown again.
    """
    text = f"{run.job_uid}/{run.run_id}/{run.epoch}/{run.revision}"
    return blake2b(text.encode(), digest_size=_DIGEST).digest()
