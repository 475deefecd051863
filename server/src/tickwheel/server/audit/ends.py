"""Whether a run has come to two ends. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from tickwheel.server.audit.facts import WIRE_MS
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.schedule.instants import format_instant


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A state of a run, and who recorded it when; as in Run."""

    state: RunState
    epoch: int
    revision: int
    update_ms: int

    @classmethod
    def of(cls, run: Run) -> Self:
        """That of a run."""
        return cls(run.state, run.epoch, run.revision, run.update_ms)

    @property
    def order(self) -> tuple[int, int]:
        """As Run.order."""
        return (self.epoch, self.revision)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A run whose final state in the log is not what it is now."""

    name: JobName
    uid: str
    run_id: str
    end: RunStatus
    present: RunStatus


def contradicts(end: RunStatus, present: RunStatus) -> bool:
    """Whether a run cannot have come to an end and be in its present state.

    One that is not final is no contradiction where it is the older of the two: what is told of a
    run follows its log.
    """
    if present.state.is_final:
        return present.state is not end.state
    return present.order > end.order


def may_be_late(end: RunStatus, present: RunStatus, owner_until_ms: int) -> bool:
    """Whether one of two states may be the late word of an owner that had been replaced.

    The next owner cannot have known it then, and such a state does not count. An owner that was
    replaced stops within `WIRE_MS`: what it recorded longer before its last word was in time.

    Args:
        end: a state that the log has.
        present: the run's present state.
        owner_until_ms: until when the log has states by the owner of the earlier of the two.
    """
    earlier, later = sorted((end, present), key=lambda status: status.order)
    return earlier.epoch < later.epoch and owner_until_ms - earlier.update_ms <= WIRE_MS


def two_ends(statuses: Iterable[RunStatus]) -> str:
    """In words, to which states a run came and when."""
    ordered = sorted(statuses, key=lambda status: (status.update_ms, status.order))
    told = ", ".join(
        f"{status.state.name} at {format_instant(status.update_ms)}" for status in ordered
    )
    finals = sum(status.state.is_final for status in ordered)
    return f"final states: {told}" if finals > 1 else f"a state after its end: {told}"
