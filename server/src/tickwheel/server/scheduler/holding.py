"""One segment that a scheduler owns, with what of it is under way to the store."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from tickwheel.server.domain.lease import SegmentLease
from tickwheel.server.domain.occurrence import InboxNews, RowPlace
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.cursors import Advance
from tickwheel.server.scheduler.live import AttemptKey
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.v1 import scheduler_service_pb2 as pb


class Told(NamedTuple):
    """An outcome, and the worker that told it."""

    outcome: pb.Outcome
    worker: str


@dataclass(frozen=True, slots=True)
class AwaitedAck:
    """A worker wants to hear that the outcome of a run is stored."""

    worker: str
    key: pb.RunKey
    #: It is, once this revision of the run is.
    revision: int


@dataclass(slots=True, eq=False)
class Holding:
    """One segment that this scheduler owns."""

    lease: SegmentLease
    owner: SegmentOwner
    #: The schedule has been read up to here.
    read_to_ms: int = 0
    #: Rows that were read and are still to be taken in, by place, with when they fire.
    unloaded: dict[RowPlace, int] = field(default_factory=dict[RowPlace, int])
    position_ms: int = 0
    #: The inbox has been read up to here, and taken in, but for what is written late; 0: never.
    told_to_ms: int = 0
    #: When it was last looked through for what is written late; 0: never.
    reread_ms: int = 0
    #: What was taken in of it, and when.
    seen: dict[InboxNews, int] = field(default_factory=dict[InboxNews, int])
    #: By which time-zone data its rows are derived, as the store has it; see ScheduleStore.
    zone_data: str = ""
    #: When it was taken over, that was by other data than there are now.
    outdated: bool = False
    #: When what is finished was dropped last, by the steady clock.
    dropped_ms: int = 0
    #: When it was taken over, until what came late from former owners was looked at.
    taken_ms: int = 0
    #: What former owners left has been taken in: the schedule may be read.
    recovered: bool = False
    #: Loaded from its position, and all that workers told meanwhile is taken in: it may fire.
    ready: bool = False
    #: Being given back: nothing new is handed out.
    leaving: bool = False
    #: Outcomes that came before it was ready.
    early: list[Told] = field(default_factory=list[Told])
    #: Outcomes of runs that the owner knows nothing of, by attempt.
    strays: dict[AttemptKey, Told] = field(default_factory=dict[AttemptKey, Told])
    #: Rows that could not be written yet.
    advances: list[Advance] = field(default_factory=list[Advance])
    #: The last states that former owners recorded, of which the history may not know.
    unchecked: list[Run] = field(default_factory=list[Run])
    #: Who waits for the acknowledgement of which run, in order.
    unacknowledged: dict[tuple[str, str], list[AwaitedAck]] = field(
        default_factory=dict[tuple[str, str], list[AwaitedAck]]
    )
    #: One writes at a time, in order: the loops, and who gives the segment back.
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    advancing: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: One gives it back at a time: who has more than its share may be stopped meanwhile.
    giving: asyncio.Lock = field(default_factory=asyncio.Lock)

    def await_ack(self, ack: AwaitedAck) -> None:
        """A worker has told an outcome that is taken in."""
        acks = self.unacknowledged.setdefault((ack.key.job_uid, ack.key.run_id), [])
        if ack not in acks:
            acks.append(ack)

    def awaited_ack(self, key: pb.RunKey) -> AwaitedAck | None:
        """Who waits to hear that the outcome of an attempt is stored; None: nobody does."""
        acks = self.unacknowledged.get((key.job_uid, key.run_id), ())
        return next((ack for ack in acks if ack.key == key), None)

    def take_acks(self, name: tuple[str, str], revision: int) -> list[AwaitedAck]:
        """Those who can hear it, as a run is stored up to a revision."""
        acks = self.unacknowledged.pop(name, [])
        left = [ack for ack in acks if ack.revision > revision]
        if left:
            self.unacknowledged[name] = left
        return [ack for ack in acks if ack.revision <= revision]

    @property
    def taken_in_ms(self) -> int:
        """Up to here the schedule is not only read: its rows have been taken in."""
        return min(self.unloaded.values(), default=self.read_to_ms)

    @property
    def known_to_ms(self) -> int:
        """Up to here schedule and inbox have been taken in: no position goes further."""
        return min(self.taken_in_ms, self.told_to_ms)

    def may_come_to_know(self, uid: str, run_id: str, now_ms: int) -> bool:
        """Whether a run that is not in the store may be there all the same.

        It may be on the log by a former owner's word. Who refused its executor's report for good
        would have it time out, executed by nobody.
        """
        return (
            self.taken_in_ms < now_ms
            or self.owner.has_to_go_over(uid, now_ms)
            or self.owner.is_told_of(uid, run_id)
        )

    @property
    def segment(self) -> int:
        """Its number."""
        return self.lease.segment

    @property
    def epoch(self) -> int:
        """The fence under which it is owned."""
        return self.lease.epoch


Holdings = dict[int, Holding]


def recovered(holdings: Holdings, segment: int) -> Holding | None:
    """The segment's holding, if it is ours and what its former owners left was taken in.

    Nothing else may be taken in before that: what is done already would be done again.
    """
    holding = holdings.get(segment)
    return holding if holding is not None and holding.recovered else None


def position_of(holdings: Holdings, segment: int) -> int:
    """Where a segment's owner is in the schedule, in ms; 0 where it is not owned here."""
    holding = holdings.get(segment)
    return holding.position_ms if holding is not None else 0
