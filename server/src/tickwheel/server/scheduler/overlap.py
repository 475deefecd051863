"""Whether a run may go while earlier runs of its job are unfinished. Pure.

Only COMPLETION_REPORTED runs can be unfinished once they are published; for all others there is
nothing to overlap with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.v1 import job_pb2, run_pb2

#: Runs of one job that may wait (OVERLAP_BUFFER_ALL, and whatever is over `max_in_flight`).
MAX_WAITING = 1_000


@dataclass(frozen=True, slots=True)
class Go:
    """It may be handed out now."""


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is decided before it is due, or before an earlier run has ended."""

    #: The run that is in the way, once it is due.
    blocking: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """It waits until what is before it has ended."""

    blocking: str
    #: What is to be cancelled meanwhile.
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """It does not run; the reason is a number of tickwheel.v1.SkipReason."""

    reason: int
    blocking: str


Verdict = Go | Later | Wait | Skip


@dataclass(frozen=True, slots=True)
class Crowd:
    """The other unfinished runs of a job, by run id, oldest first."""

    active: Sequence[str]
    waiting: Sequence[str]


def may_go(policy: int, max_in_flight: int, active: int) -> bool:
    """Whether a run may start beside so many that have."""
    if max_in_flight and active >= max_in_flight:
        return False
    return policy == job_pb2.OVERLAP_ALLOW_ALL or active == 0


def admit(policy: int, max_in_flight: int, crowd: Crowd, *, due: bool) -> Verdict:
    """Decides about one more run of a job.

    Args:
        policy: number of tickwheel.v1.Overlap that holds for the run.
        max_in_flight: the job's limit, 0 for none.
        crowd: the job's unfinished runs without this one.
        due: whether its due instant has come; before that nothing is skipped, nor does it wait.
    """
    if not crowd.waiting and may_go(policy, max_in_flight, len(crowd.active)):
        return Go()
    if not due:
        return Later()
    blocking = (*crowd.active, *crowd.waiting)[0]
    overlap = Skip(run_pb2.SKIP_REASON_OVERLAP, blocking)
    full = Skip(run_pb2.SKIP_REASON_BUFFER_FULL, blocking)
    match policy:
        case job_pb2.OVERLAP_BUFFER_ONE:
            return overlap if crowd.waiting else Wait(blocking)
        case job_pb2.OVERLAP_BUFFER_ALL:
            return full if len(crowd.waiting) >= MAX_WAITING else Wait(blocking)
        case job_pb2.OVERLAP_CANCEL_OTHER:
            return Wait(blocking, cancel=True)
        case job_pb2.OVERLAP_ALLOW_ALL:
            # Over `max_in_flight`: nothing may be lost, so beyond what may wait the schedule
            # itself waits.
            return Later(blocking) if len(crowd.waiting) >= MAX_WAITING else Wait(blocking)
        case _:
            return overlap
