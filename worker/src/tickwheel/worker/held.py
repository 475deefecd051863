"""An assignment as the worker holds it."""

import enum
from dataclasses import dataclass

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Permit, Record, RunId
from tickwheel.worker.publisher.records import record_of, user_of


class Phase(enum.Enum):
    """How far it has come."""

    #: In the wheel.
    WAITING = 0
    #: With the publisher.
    STARTED = 1


@dataclass(slots=True, eq=False)
class Held:
    """One attempt of one run, not yet published."""

    run: RunId
    segment: int
    epoch: int
    #: Id of the scheduler that assigned it.
    scheduler_id: str
    due_ms: int
    priority: int
    #: The owner of the job.
    user: str
    record: Record
    #: Against the window, in bytes.
    size: int
    phase: Phase = Phase.WAITING
    #: How often the publisher has given it back.
    returns: int = 0
    #: The same attempt, assigned anew while the publisher had this one.
    successor: "Held | None" = None
    #: Its scheduler may have given it to others meanwhile: no permission of a later session is one
    #: for it. It ends when the publisher has told what became of it.
    is_void: bool = False


def held_of(assignment: pb.Assignment, scheduler_id: str, permit: Permit, expire_ms: int) -> Held:
    """What is kept of an assignment; the message itself may go.

    Args:
        assignment: as the scheduler sent it.
        scheduler_id: which one.
        permit: when it may be published.
        expire_ms: until when, on our steady clock.
    """
    record = record_of(assignment, permit, expire_ms)
    return Held(
        run=record.run,
        segment=assignment.key.segment,
        epoch=assignment.epoch,
        scheduler_id=scheduler_id,
        due_ms=assignment.due_ms,
        priority=assignment.priority,
        user=user_of(assignment.job_name),
        record=record,
        size=record.size,
    )


def key_message(run: RunId, segment: int) -> pb.RunKey:
    """A run as the stream names it."""
    return pb.RunKey(
        job_uid=run.job_uid,
        run_id=run.run_id,
        attempt=run.attempt,
        segment=segment,
        dead_letter=run.dead_letter,
    )


def run_of(key: pb.RunKey) -> RunId:
    """The run that the stream names."""
    return RunId(key.job_uid, key.run_id, key.attempt, key.dead_letter)
