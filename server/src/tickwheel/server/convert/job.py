"""Jobs: the client's message, the stored spec with its defaults, and the answer."""

from collections.abc import Sequence

from google.protobuf import duration_pb2

from tickwheel.server.convert.instants import put_ms
from tickwheel.server.convert.payload import CONTENT_TYPES, put_payload
from tickwheel.server.convert.run import run_summary
from tickwheel.server.domain.job import Job, PayloadKind
from tickwheel.server.domain.run import Run
from tickwheel.v1 import job_pb2, schedule_pb2, target_pb2

#: Fields of tickwheel.v1.Job that the server alone writes.
OUTPUT_ONLY = (
    "uid",
    "state",
    "pause_reason",
    "create_time",
    "update_time",
    "next_run_times",
    "recent_runs",
)
#: Fields that name the job or its version; they are kept beside the spec, not in it.
IDENTITY = ("name", "etag")

DEFAULT_TYPE = "tickwheel.run"

_RUN_TIMEOUT = duration_pb2.Duration(seconds=60)
_CATCH_UP = duration_pb2.Duration(seconds=3_600)
_RETENTION = duration_pb2.Duration(seconds=604_800)
_PRIORITY = 5
_RETRY = job_pb2.RetryPolicy(
    max_retry_count=3,
    initial_backoff=duration_pb2.Duration(seconds=1),
    backoff_multiplier=2,
    max_backoff=duration_pb2.Duration(seconds=300),
)


def bare_spec(message: job_pb2.Job) -> job_pb2.Job:
    """A copy of the client's message without payload, identity and what is output only.

    The payload is taken out of the client's message as well, so that the copy does not keep it
    alive.
    """
    if message.target.HasField("payload"):
        message.target.ClearField("payload")
    spec = job_pb2.Job()
    spec.CopyFrom(message)
    for name in (*OUTPUT_ONLY, *IDENTITY):
        spec.ClearField(name)
    return spec


def fill_defaults(spec: job_pb2.Job, kind: PayloadKind) -> None:
    """Fills in what the client left out, so that what is stored and answered is complete.

    A one-off job without a catch-up window keeps having none: it runs however late it is.
    """
    if not spec.completion:
        spec.completion = job_pb2.COMPLETION_PUBLISHED
    if not spec.overlap_policy:
        spec.overlap_policy = job_pb2.OVERLAP_SKIP
    if not spec.HasField("priority"):
        spec.priority = _PRIORITY
    if not spec.HasField("run_timeout"):
        spec.run_timeout.CopyFrom(_RUN_TIMEOUT)
    if not spec.HasField("retention"):
        spec.retention.CopyFrom(_RETENTION)
    if not spec.HasField("catch_up_window") and spec.schedule.WhichOneof("form") != "at":
        spec.catch_up_window.CopyFrom(_CATCH_UP)
    if not spec.HasField("retry_policy"):
        spec.retry_policy.CopyFrom(_RETRY)
    else:
        _complete(spec.retry_policy)
    if spec.schedule.WhichOneof("form") not in (None, "at"):
        _complete_schedule(spec.schedule)
    target = spec.target
    if not target.type:
        target.type = DEFAULT_TYPE
    if not target.content_type:
        target.content_type = CONTENT_TYPES[kind]
    if not target.dead_letter_topic:
        target.dead_letter_topic = default_dead_letter_topic(target)


def clear_derived(spec: job_pb2.Job, kind: PayloadKind) -> None:
    """Takes out those defaults that follow from other fields, before these are changed.

    What a client wrote itself and what was filled in cannot be told apart when they are equal;
    then it follows the change.
    """
    target = spec.target
    if target.content_type == CONTENT_TYPES[kind]:
        target.ClearField("content_type")
    if target.dead_letter_topic == default_dead_letter_topic(target):
        target.ClearField("dead_letter_topic")
    if spec.catch_up_window == _CATCH_UP and spec.schedule.WhichOneof("form") != "at":
        spec.ClearField("catch_up_window")


def default_dead_letter_topic(target: target_pb2.Target) -> str:
    """Where failed runs' records go unless the client says otherwise."""
    return f"{target.topic}.dlq"


def job_message(
    job: Job, next_run_ms: Sequence[int] = (), recent: Sequence[Run] = ()
) -> job_pb2.Job:
    """The job as clients see it; see `put_job`."""
    message = job_pb2.Job()
    put_job(job, message, next_run_ms, recent)
    return message


def put_job(
    job: Job, message: job_pb2.Job, next_run_ms: Sequence[int] = (), recent: Sequence[Run] = ()
) -> None:
    """Writes the job as clients see it.

    Args:
        job: the job.
        message: is empty; of a list, as to make it elsewhere would copy it, payload and all.
        next_run_ms: when it will run next, Unix milliseconds.
        recent: its last runs, newest first.
    """
    message.CopyFrom(job.spec)
    message.name = str(job.name)
    message.uid = job.uid
    message.state = job.state.value
    message.etag = job.etag
    if job.paused:
        message.pause_reason = job.pause_reason
    put_ms(message.create_time, job.create_ms)
    put_ms(message.update_time, max(job.update_ms, job.complete_ms))
    if job.payload.kind:
        put_payload(job.payload, message.target.payload)
    for instant_ms in next_run_ms:
        put_ms(message.next_run_times.add(), instant_ms)
    if recent:
        message.recent_runs.extend(run_summary(run) for run in recent)


def _complete_schedule(schedule: schedule_pb2.Schedule) -> None:
    # Not those of a union's members, for which the union's own are the default; and not the
    # anchor, which follows start_time.
    if not schedule.time_zone:
        schedule.time_zone = "UTC"
    if not schedule.dst_gap:
        schedule.dst_gap = schedule_pb2.DST_GAP_NEXT_VALID
    if not schedule.dst_overlap:
        schedule.dst_overlap = schedule_pb2.DST_OVERLAP_FIRST


def _complete(policy: job_pb2.RetryPolicy) -> None:
    if not policy.HasField("max_retry_count"):
        policy.max_retry_count = _RETRY.max_retry_count
    if not policy.HasField("initial_backoff"):
        policy.initial_backoff.CopyFrom(_RETRY.initial_backoff)
    if not policy.HasField("backoff_multiplier"):
        policy.backoff_multiplier = _RETRY.backoff_multiplier
    if not policy.HasField("max_backoff"):
        policy.max_backoff.CopyFrom(_RETRY.max_backoff)
