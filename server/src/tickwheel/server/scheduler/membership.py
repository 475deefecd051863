"""Which segments a scheduler takes and which it gives back. Pure.

There is no leader: every scheduler looks at the same rows and comes to its own part of the same
arrangement; conditional writes settle what two of them want at once.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from tickwheel.server.domain.lease import SchedulerSession, SegmentLease


@dataclass(slots=True)
class SessionWatch:
    """Tells living sessions from dead ones by whether their beat changes on our steady clock."""

    lease_ms: int
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def observe(self, sessions: Iterable[SchedulerSession], steady_ms: int) -> None:
        """Takes note of what the store said; the steady clock is from after it was read."""
        present: dict[str, tuple[int, int]] = {}
        for session in sessions:
            beat, since = self._seen.get(session.session_id, (-1, steady_ms))
            present[session.session_id] = (
                session.beat,
                since if beat == session.beat else steady_ms,
            )
        self._seen = present

    def is_dead(self, session_id: str, steady_ms: int) -> bool:
        """Whether a full lease has passed here without a beat, or the session is not there.

        A session that is not in the store cannot renew, and it was removed only after its death.

        Args:
            session_id: whose.
            steady_ms: the steady clock, from before what was observed last was read: who slept
                after the reading knows nothing of the time since.
        """
        seen = self._seen.get(session_id)
        return seen is None or not self.lease_ms or steady_ms - seen[1] >= self.lease_ms


@dataclass(slots=True)
class Regroup:
    """Who is expected back after our session has run out, or was lost.

    Where the store was away, so have all, and they return within moments. Whoever is first would
    take what the others are about to go on with.
    """

    regroup_ms: int
    _known: set[str] = field(default_factory=set[str])
    _is_lost: bool = False
    _until_ms: int = 0

    def lost(self) -> None:
        """Our session had run out, or is lost."""
        self._is_lost = True

    def awaited(self, living: set[str], steady_ms: int) -> set[str]:
        """Those that lived before and do not yet again, for a while after our return.

        Args:
            living: addresses of the schedulers that live now.
            steady_ms: the steady clock.
        """
        if self._is_lost:
            self._is_lost = False
            self._until_ms = steady_ms + self.regroup_ms
        if steady_ms >= self._until_ms:
            self._known = set(living)
        else:
            self._known |= living
        return self._known - living


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do with segments now."""

    take: tuple[SegmentLease, ...]
    give: tuple[int, ...]


def plan_moves(
    own_session: str,
    owned: Iterable[int],
    leases: Sequence[SegmentLease],
    living: Iterable[str],
    awaited: Collection[str] = (),
) -> Moves:
    """Takes free segments up to an even share, and gives back what is above it.

    Our own ones that we do not hold are taken first, whatever the share.

    Segments of living sessions are never taken: their owner gives them back when it sees that it
    has more than its share, so that only as many move as must.

    Args:
        own_session: our session; it counts as living.
        owned: the segments we hold.
        leases: all segments as the store has them.
        living: the sessions that are alive and not closed.
        awaited: addresses of more schedulers that are expected: what was theirs is left to them,
            and so is a share.
    """
    alive = set(living) | {own_session}
    mine = set(owned)
    shares = _shares(alive, len(leases), _loads(leases, alive), len(awaited))
    share = shares[own_session]
    unheld = [lease for lease in leases if lease.segment not in mine]
    # What bears our name but is not held by us we lost, or never knew that we had got. Nobody else
    # takes it while we live: it is taken even where it is more than our share, and given back.
    ours = [lease for lease in unheld if lease.session_id == own_session]
    free = [
        lease for lease in unheld if lease.session_id not in alive and lease.address not in awaited
    ]
    room = max(0, share - len(mine) - len(ours))
    # Each scheduler begins at its own place in the list, so that two rarely want the same one.
    wanted = ours + sorted(free, key=lambda lease: _rank(own_session, lease.segment))[:room]
    surplus = max(0, len(mine) - share)
    given = sorted(mine, key=lambda segment: _rank(own_session, segment), reverse=True)[:surplus]
    return Moves(tuple(wanted), tuple(given))


def _loads(leases: Sequence[SegmentLease], alive: set[str]) -> Counter[str]:
    return Counter(lease.session_id for lease in leases if lease.session_id in alive)


def _shares(
    alive: set[str], segments: int, loads: Mapping[str, int], awaited: int
) -> dict[str, int]:
    """Even shares; the larger ones go to those who already hold the most."""
    floor, rest = divmod(segments, len(alive) + awaited)
    order = sorted(alive, key=lambda session: (-loads.get(session, 0), session))
    return {session: floor + (place < rest) for place, session in enumerate(order)}


def _rank(session_id: str, segment: int) -> bytes:
    return blake2b(f"{session_id}/{segment}".encode(), digest_size=8).digest()
