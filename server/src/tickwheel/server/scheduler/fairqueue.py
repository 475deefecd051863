"""Runs that wait to go, users in turn: the storm of one does not hold up another's. Pure.

Fair queueing (Nagle, RFC 970): a queue for each user, and who was served longest ago comes next.
Of one user what is due goes first, by priority; then what is due soonest.
"""

import heapq
import itertools
from collections.abc import Callable, Collection, Hashable, Iterator

from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase

#: When it fires, the order of arrival, and the attempt that it stood for.
_Entry = tuple[int, int, AttemptKey, LiveRun]
#: What a lane's head is sorted by; of what waits, the least goes first.
_Rank = tuple[int, int, int, int]
#: Where it may go, as `lane_of` says, and its priority.
_LaneKey = tuple[Hashable, int]


class _User:
    """What waits of one user: by lane, the earliest first."""

    __slots__ = ("lanes", "served")

    def __init__(self) -> None:
        self.lanes: dict[_LaneKey, list[_Entry]] = {}
        #: The number of its last turn; 0 for none.
        self.served = 0


class _Turn:
    """A user whose turn comes: the heads of its lanes, as far as they were not refused."""

    __slots__ = ("heads", "user")

    def __init__(self, user: _User, now_ms: int) -> None:
        self.user = user
        self.heads = [
            (_rank(key, lane[0], now_ms), number, key)
            for number, (key, lane) in enumerate(user.lanes.items())
        ]
        heapq.heapify(self.heads)


class FairQueue:
    """Waiting runs. What is not READY any more, or at another attempt, is passed over."""

    def __init__(self, lane_of: Callable[[LiveRun], Hashable]) -> None:
        """Makes an empty one.

        Args:
            lane_of: runs of one user and lane go, and are refused, in order.
        """
        self._lane_of = lane_of
        self._users: dict[str, _User] = {}
        self._arrivals = itertools.count(1)
        self._turns = itertools.count(1)

    def __bool__(self) -> bool:
        return bool(self._users)

    def add(self, run: LiveRun) -> None:
        """One more, behind those of its user that fire as early."""
        user = self._users.setdefault(run.job.user, _User())
        lane = user.lanes.setdefault((self._lane_of(run), run.job.spec.priority), [])
        heapq.heappush(lane, (run.fire_ms, next(self._arrivals), run.key, run))

    def take(self, most: int, now_ms: int, admit: Callable[[LiveRun], bool]) -> list[LiveRun]:
        """Takes out runs, one of each user in turn.

        Args:
            most: that many.
            now_ms: the present.
            admit: whether a run may go; one that may not stays, and so do those behind it.
        """
        taken: list[LiveRun] = []
        turns = [_Turn(user, now_ms) for user in self._users.values()]
        turns.sort(key=lambda turn: (turn.user.served, turn.heads[0][0]))
        while turns and len(taken) < most:
            still: list[_Turn] = []
            for turn in turns:
                if len(taken) >= most:
                    break
                run = self._next(turn, now_ms, admit)
                if run is not None:
                    turn.user.served = next(self._turns)
                    taken.append(run)
                    still.append(turn)
            turns = still
        self._users = {name: user for name, user in self._users.items() if user.lanes}
        return taken

    def heads(self) -> Iterator[LiveRun]:
        """The first run of each lane."""
        for name, user in list(self._users.items()):
            for key, lane in list(user.lanes.items()):
                run = _waiting(lane)
                if run is not None:
                    yield run
                else:
                    del user.lanes[key]
            if not user.lanes:
                del self._users[name]

    def forget(self, segments: Collection[int]) -> None:
        """Takes out all runs of these segments."""
        for name, user in list(self._users.items()):
            for key, lane in list(user.lanes.items()):
                kept = [entry for entry in lane if entry[3].job.segment not in segments]
                heapq.heapify(kept)
                user.lanes[key] = kept
                if not kept:
                    del user.lanes[key]
            if not user.lanes:
                del self._users[name]

    def _next(self, turn: _Turn, now_ms: int, admit: Callable[[LiveRun], bool]) -> LiveRun | None:
        """Takes out the user's next run that may go; None: there is none."""
        while turn.heads:
            _, number, key = heapq.heappop(turn.heads)
            lane = turn.user.lanes[key]
            run = _waiting(lane)
            if run is not None and not admit(run):
                continue
            if run is not None:
                heapq.heappop(lane)
            if lane:
                heapq.heappush(turn.heads, (_rank(key, lane[0], now_ms), number, key))
            else:
                del turn.user.lanes[key]
            if run is not None:
                return run
        return None


def _waiting(lane: list[_Entry]) -> LiveRun | None:
    """The first of a lane that still waits; what does not is taken out."""
    while lane:
        _, _, key, run = lane[0]
        if run.phase is Phase.READY and run.key == key:
            return run
        heapq.heappop(lane)
    return None


def _rank(key: _LaneKey, head: _Entry, now_ms: int) -> _Rank:
    fire_ms, arrival = head[:2]
    if fire_ms <= now_ms:
        return 0, -key[1], fire_ms, arrival
    return 1, fire_ms, -key[1], arrival
