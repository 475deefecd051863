"""Jobs, entries and owners for the tests of the scheduler's pure parts."""

from dataclasses import replace

from google.protobuf.duration_pb2 import Duration

from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import EMPTY_PAYLOAD, Job
from tickwheel.server.domain.names import new_uid
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.live import LiveRun
from tickwheel.server.scheduler.repairs import Repairs
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.v1 import job_pb2, scheduler_service_pb2

NOW = 1_800_000_000_000
SECOND = 1_000


def make_job(
    *, every_s: int = 0, at_ms: int = 0, create_ms: int = NOW, window_s: int | None = 3600
) -> Job:
    """A job of segment 0 with one schedule form."""
    spec = job_pb2.Job(priority=5)
    if every_s:
        spec.schedule.every.CopyFrom(Duration(seconds=every_s))
    else:
        spec.schedule.at.FromMilliseconds(at_ms)
    if window_s is not None:
        spec.catch_up_window.CopyFrom(Duration(seconds=window_s))
    spec.retention.CopyFrom(Duration(seconds=604_800))
    spec.retry_policy.max_retry_count = 3
    spec.retry_policy.initial_backoff.CopyFrom(Duration(seconds=1))
    spec.retry_policy.max_backoff.CopyFrom(Duration(seconds=300))
    spec.retry_policy.backoff_multiplier = 2
    spec.target.topic = "topic"
    uid = new_uid()
    return Job(
        user="7",
        uid=uid,
        job_id=uid,
        segment=0,
        spec=spec,
        payload=EMPTY_PAYLOAD,
        create_ms=create_ms,
        update_ms=create_ms,
        schedule_from_ms=create_ms,
    )


def entry_of(job: Job, schedule_ms: int, *, ordinal: int = 0, fire_ms: int = 0) -> ScheduleEntry:
    """The job's row at one of its occurrences."""
    due_ms = schedule_of(job).due(schedule_ms, salt=job.uid)
    return ScheduleEntry(
        segment=job.segment,
        fire_ms=fire_ms or due_ms,
        user=job.user,
        uid=job.uid,
        generation=job.generation,
        schedule_ms=schedule_ms,
        due_ms=due_ms,
        ordinal=ordinal,
    )


def make_owner(epoch: int = 1, repairs: Repairs | None = None) -> SegmentOwner:
    """The owner of segment 0."""
    return SegmentOwner(
        0,
        epoch,
        compile_schedule=schedule_of,
        new_traceparent=lambda: "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        repairs=repairs,
    )


def load(owner: SegmentOwner, job: Job, entry: ScheduleEntry, now_ms: int = NOW) -> list[LiveRun]:
    """Loads one entry and takes what becomes ready."""
    owner.load([entry], {job.key: job}, now_ms)
    owner.step(now_ms)
    return assign(owner)


def assign(owner: SegmentOwner, worker: str = "w") -> list[LiveRun]:
    """Takes what is ready as the fleet does."""
    from tickwheel.server.scheduler.live import Phase

    runs = owner.take_ready()
    for run in runs:
        run.phase = Phase.ASSIGNED
        run.worker = worker
    return runs


def publish(owner: SegmentOwner, run: LiveRun, now_ms: int) -> None:
    """The log took the run."""
    ack = scheduler_service_pb2.Published(publish_ms=now_ms, partition=1, offset=42)
    assert owner.published(run.key, "w", owner.epoch, ack, now_ms)


def store_records(owner: SegmentOwner, now_ms: int = NOW) -> list[Run]:
    """The store took what is to be recorded."""
    batch = owner.take_batch()
    owner.stored(batch, now_ms)
    return batch.records


def changed(job: Job, now_ms: int, **changes: object) -> Job:
    """The job's next version."""
    return replace(job, version=job.version + 1, update_ms=now_ms, **changes)


def notice(job: Job, now_ms: int, entry: ScheduleEntry | None = None) -> InboxEntry:
    """What the api writes with a change."""
    return InboxEntry(
        segment=job.segment,
        write_ms=now_ms,
        user=job.user,
        uid=job.uid,
        version=job.version,
        entry=entry,
    )
