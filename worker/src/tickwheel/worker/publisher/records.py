"""Assignments as records on the log: CloudEvents 1.0, binary mode of the Kafka protocol binding.

See https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Permit, Record, RunId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Set by us in every record; a header of the user's with such a name is left out. Compared in
#: lower case, because some consumers look headers up so.
_OWN_NAMES = frozenset({"content-type", "traceparent"})
_OWN_PREFIX = "ce_"


@lru_cache(maxsize=4096)
def rfc3339(instant_ms: int) -> bytes:
    """An instant as CloudEvents wants it, in UTC with milliseconds.

    Args:
        instant_ms: Unix time in milliseconds, of the years 1 to 9999.
    """
    instant = _EPOCH + timedelta(milliseconds=instant_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def user_of(job_name: str) -> str:
    """The owner in `users/{user}/jobs/{job}`."""
    return job_name.split("/", 2)[1]


def record_id(run: RunId) -> str:
    """The record's CloudEvents id; a dead letter is another event than the attempt that failed."""
    end = "/dead-letter" if run.dead_letter else ""
    return f"{run.job_uid}/{run.run_id}/{run.attempt}{end}"


def record_of(assignment: pb.Assignment, permit: Permit, expire_ms: int) -> Record:
    """The record that publishes an assignment; the other two go with it, see Record.

    `ce_time` is the due instant: when the occurrence happens by the schedule (jitter included),
    the same whoever publishes it and whenever, so that a duplicate equals its original.
    `ce_scheduletime` is the nominal instant.

    The user's headers follow ours and cannot replace them.
    """
    key = assignment.key
    run = RunId(key.job_uid, key.run_id, key.attempt, key.dead_letter)
    # Each look at a text field of a message makes a new string.
    job_name, content_type = assignment.job_name, assignment.content_type
    source, traceparent = job_name.encode(), assignment.traceparent
    headers: list[tuple[str, bytes]] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", record_id(run).encode()),
        ("ce_source", source),
        ("ce_type", assignment.type.encode()),
        ("ce_time", rfc3339(assignment.due_ms)),
        ("ce_user", user_of(job_name).encode()),
        ("ce_attempt", b"%d" % run.attempt),
        ("ce_fence", b"%d" % assignment.epoch),
        ("ce_scheduletime", rfc3339(assignment.schedule_ms)),
    ]
    if content_type:
        headers.append(("content-type", content_type.encode()))
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    theirs = assignment.headers
    if theirs:
        headers.extend(
            (name, theirs[name].encode()) for name in sorted(theirs) if not is_own_header(name)
        )
    return Record(
        run=run,
        topic=assignment.topic,
        key=assignment.key_text.encode() or None,
        headers=headers,
        value=assignment.payload,
        permit=permit,
        expire_ms=expire_ms,
    )


def is_own_header(name: str) -> bool:
    """Whether a header's name is ours: `ce_…`, `content-type`, `traceparent`, in any case."""
    lower = name.lower()
    return lower.startswith(_OWN_PREFIX) or lower in _OWN_NAMES
