"""Live runs as messages of the worker's stream. Pure."""

from collections.abc import Iterable, Iterator
from sys import intern

from tickwheel.server.domain.job import PayloadKind
from tickwheel.server.scheduler.live import AttemptKey, LiveRun
from tickwheel.server.scheduler.terms import is_reported
from tickwheel.v1 import scheduler_service_pb2 as pb

#: An Assignments message stays below this size and this count, so that the worker's loop is never
#: held up for long.
MAX_MESSAGE_BYTES = 1 << 20
MAX_MESSAGE_COUNT = 500
#: What an assignment weighs beside its payload, in bytes.
OVERHEAD_BYTES = 400

CONTENT_TYPES = {
    PayloadKind.NONE: "",
    PayloadKind.JSON: "application/json",
    PayloadKind.TEXT: "text/plain; charset=utf-8",
    PayloadKind.DATA: "application/octet-stream",
}
DEFAULT_TYPE = "tickwheel.run"
#: The header by which a record says that its run has succeeded by being there: executors need not
#: ask. Absent from all others.
COMPLETION_HEADER = "tickwheel-completion"
PUBLISHED = "published"


def weigh(run: LiveRun) -> int:
    """Its size against a worker's window, in bytes."""
    return OVERHEAD_BYTES + len((run.payload or run.job.payload).data)


def topic_of(run: LiveRun) -> str:
    """Where it goes, as its job is now; one string for all runs that go there."""
    target = run.job.spec.target
    return intern(target.dead_letter_topic if run.dead_letter else target.topic)


def key_message(key: AttemptKey, segment: int) -> pb.RunKey:
    """The key as the stream names it."""
    return pb.RunKey(
        job_uid=key.uid,
        run_id=key.run_id,
        attempt=key.attempt,
        segment=segment,
        dead_letter=key.dead_letter,
    )


def key_of(message: pb.RunKey) -> AttemptKey:
    """The key that a message names."""
    return AttemptKey(message.job_uid, message.run_id, message.attempt, message.dead_letter)


def dead_letter_headers(run: LiveRun) -> dict[str, str]:
    """Why a run is a dead letter, as headers beside the original ones; none for all others."""
    record = run.record
    if not run.dead_letter or record is None:
        return {}
    return {
        "tickwheel-dead-letter-reason": record.error,
        "tickwheel-dead-letter-type": record.error_type,
        "tickwheel-dead-letter-attempts": str(record.attempt),
        "tickwheel-dead-letter-topic": record.topic,
        "tickwheel-dead-letter-run": str(record.name),
    }


def messages(runs: Iterable[LiveRun], epoch_of: dict[int, int]) -> Iterator[pb.ConnectResponse]:
    """What workers need to publish the runs at their instants, in messages of a bounded size."""
    message = pb.ConnectResponse()
    batch = message.assignments.assignments
    size = 0
    for run in runs:
        weight = weigh(run)
        if batch and (size + weight > MAX_MESSAGE_BYTES or len(batch) >= MAX_MESSAGE_COUNT):
            yield message
            message = pb.ConnectResponse()
            batch = message.assignments.assignments
            size = 0
        # In place: passing nested messages to a constructor copies each of them.
        _fill(batch.add(), run, epoch_of[run.job.segment])
        size += weight
    if batch:
        yield message


def _fill(assignment: pb.Assignment, run: LiveRun, epoch: int) -> None:
    job = run.job
    target = job.spec.target
    payload = run.payload or job.payload
    name = str(job.name)
    key = assignment.key
    key.job_uid = job.uid
    key.run_id = run.run_id
    key.attempt = run.attempt
    key.segment = job.segment
    key.dead_letter = run.dead_letter
    assignment.epoch = epoch
    assignment.due_ms = run.fire_ms
    assignment.schedule_ms = run.schedule_ms
    assignment.expire_ms = run.expire_ms
    assignment.job_name = name
    assignment.topic = topic_of(run)
    assignment.key_text = target.key or name
    assignment.type = target.type or DEFAULT_TYPE
    assignment.content_type = run.content_type or target.content_type or CONTENT_TYPES[payload.kind]
    if target.headers:
        assignment.headers.update(target.headers)
    if not is_reported(job.spec):
        assignment.headers[COMPLETION_HEADER] = PUBLISHED
    elif COMPLETION_HEADER in target.headers:
        # No job is what its own headers make of it.
        del assignment.headers[COMPLETION_HEADER]
    if run.dead_letter:
        assignment.headers.update(dead_letter_headers(run))
    assignment.payload = payload.data
    assignment.traceparent = run.traceparent
    assignment.priority = job.spec.priority
