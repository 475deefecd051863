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
#: So many are kept of a lane whatever they are.
FEW = 1_000


class _Lane:
    """A heap of runs, the earliest first; also of such as do not wait any more."""

    __slots__ = ("_weed_at", "heap")

    def __init__(self) -> None:
        self.heap: list[_Entry] = []
        self._weed_at = FEW

    def add(self, entry: _Entry) -> None:
        """One more. Behind one that waits for long, what was taken back would become ever more."""
        heapq.heappush(self.heap, entry)
        if len(self.heap) > self._weed_at:
            self.keep(_is_waiting)
            self._weed_at = max(FEW, 2 * len(self.heap))

    def keep(self, is_kept: Callable[[_Entry], bool]) -> None:
        """Lets go of all others."""
        self.heap = [entry for entry in self.heap if is_kept(entry)]
        heapq.heapify(self.heap)

    def first(self) -> LiveRun | None:
        """The first run that still waits; what does not is taken out."""
        while self.heap:
            if _is_waiting(self.heap[0]):
                return self.heap[0][3]
            heapq.heappop(self.heap)
        return None


class _User:
    """What waits of one user, by lane."""

    __slots__ = ("lanes", "served")

    def __init__(self) -> None:
        self.lanes: dict[_LaneKey, _Lane] = {}
        #: The number of its last turn; 0 for none.
        self.served = 0


class _Turn:
    """A user whose turn comes: the heads of its lanes, as far as they were not refused."""

    __slots__ = ("heads", "user")

    def __init__(self, user: _User, now_ms: int) -> None:
        self.user = user
        self.heads = [
            (_rank(key, lane.heap[0], now_ms), number, key)
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

    def __len__(self) -> int:
        """How many are kept, also such as do not wait any more."""
        return sum(len(lane.heap) for user in self._users.values() for lane in user.lanes.values())

    def add(self, run: LiveRun) -> None:
        """One more, behind those of its user that fire as early."""
        user = self._users.setdefault(run.job.user, _User())
        key = (self._lane_of(run), run.job.spec.priority)
        lane = user.lanes.get(key)
        if lane is None:
            lane = user.lanes[key] = _Lane()
        lane.add((run.fire_ms, next(self._arrivals), run.key, run))

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
                run = lane.first()
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
                lane.keep(lambda entry: entry[3].job.segment not in segments)
                if not lane.heap:
                    del user.lanes[key]
            if not user.lanes:
                del self._users[name]

    def _next(self, turn: _Turn, now_ms: int, admit: Callable[[LiveRun], bool]) -> LiveRun | None:
        """Takes out the user's next run that may go; None: there is none."""
        while turn.heads:
            _, number, key = heapq.heappop(turn.heads)
            lane = turn.user.lanes[key]
            run = lane.first()
            if run is not None and not admit(run):
                continue
            if run is not None:
                heapq.heappop(lane.heap)
            if lane.heap:
                heapq.heappush(turn.heads, (_rank(key, lane.heap[0], now_ms), number, key))
            else:
                del turn.user.lanes[key]
            if run is not None:
                return run
        return None


def _is_waiting(entry: _Entry) -> bool:
    _, _, key, run = entry
    return run.phase is Phase.READY and run.key == key


def _rank(key: _LaneKey, head: _Entry, now_ms: int) -> _Rank:
    fire_ms, arrival = head[:2]
    if fire_ms <= now_ms:
        return 0, -key[1], fire_ms, arrival
    return 1, fire_ms, -key[1], arrival
