"""Domain values to bytes and back, the same in every engine.

Each record holds its whole value, so a reader needs no other column; what engines keep in columns
beside it is for keys, conditions and people. This is on the hot path of submitting and firing
(a few microseconds per value): protobuf messages made and read in one go.
"""

from functools import lru_cache
from sys import intern
from typing import Final

from tickwheel.internal.v1 import owner_service_pb2, storage_pb2
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import FINAL_STATES, Limit, PastAttempt, Run, RunState, Trigger
from tickwheel.v1 import job_pb2

#: Payloads longer than this, in bytes, are kept apart from the job's row, once per job version
#: that changed them: a row is rewritten and read far oftener than its payload changes.
LARGE_PAYLOAD_BYTES: Final = 4096
#: How long a request_id is remembered at least (AIP-155), in ms.
REQUEST_ID_KEPT_MS: Final = 86_400_000
#: A job that says nothing is kept this long after its completion or deletion, in ms.
DEFAULT_RETENTION_MS: Final = 604_800_000
#: A state that is not final is kept at least this long, in ms: longer than the longest
#: `run_timeout`, so that no run vanishes before it has ended.
UNFINISHED_KEPT_MS: Final = 31 * 86_400_000
#: In the run log every state is kept at least this long, in ms: the next owner goes by it, and
#: would fire again what it does not find.
LOGGED_KEPT_MS: Final = 600_000

_RUN_STATES: Final = {int(state): state for state in RunState}
_LIMITS: Final = {int(limit): limit for limit in Limit}
_TRIGGERS: Final = {int(trigger): trigger for trigger in Trigger}
_ENTRY_KINDS: Final = {int(kind): kind for kind in EntryKind}
_PAYLOAD_KINDS: Final = {int(kind): kind for kind in PayloadKind}


def encode_job(job: Job, payload_version: int = 0) -> bytes:
    """A job as a JobRecord.

    Args:
        job: the job.
        payload_version: under which version its payload is kept apart; 0 puts it into the record.
    """
    return storage_pb2.JobRecord(
        user=job.user,
        uid=job.uid,
        job_id=job.job_id,
        segment=job.segment,
        spec=job.spec.SerializeToString(deterministic=True),
        payload_kind=int(job.payload.kind),
        payload=b"" if payload_version else job.payload.data,
        payload_version=payload_version,
        version=job.version,
        generation=job.generation,
        paused=job.paused,
        pause_reason=job.pause_reason,
        completed_generation=job.completed_generation,
        complete_ms=job.complete_ms,
        create_ms=job.create_ms,
        update_ms=job.update_ms,
        schedule_from_ms=job.schedule_from_ms,
        delete_ms=job.delete_ms,
        traceparent=job.traceparent,
    ).SerializeToString()


def decode_job(
    data: bytes,
    payload: bytes | None = None,
    *,
    completed_generation: int | None = None,
    complete_ms: int | None = None,
) -> Job:
    """The job of a JobRecord.

    Args:
        data: what `encode_job` made.
        payload: the payload, where it is kept apart.
        completed_generation: in place of the record's, for engines that keep it in a column.
        complete_ms: likewise.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no JobRecord.
    """
    record = storage_pb2.JobRecord.FromString(data)
    return Job(
        user=intern(record.user),
        uid=record.uid,
        job_id=record.job_id,
        segment=record.segment,
        spec=_shared_spec(record.spec),
        payload=Payload(
            _PAYLOAD_KINDS[record.payload_kind], record.payload if payload is None else payload
        ),
        version=record.version,
        generation=record.generation,
        paused=record.paused,
        pause_reason=record.pause_reason,
        completed_generation=(
            record.completed_generation if completed_generation is None else completed_generation
        ),
        complete_ms=record.complete_ms if complete_ms is None else complete_ms,
        create_ms=record.create_ms,
        update_ms=record.update_ms,
        schedule_from_ms=record.schedule_from_ms,
        delete_ms=record.delete_ms,
        traceparent=record.traceparent,
    )


@lru_cache(maxsize=4096)
def _shared_spec(data: bytes) -> job_pb2.Job:
    """Nobody changes a spec (see Job), and what one program creates is often alike.

    A message takes a kilobyte, which schedulers hold for each job that comes due soon.
    """
    return job_pb2.Job.FromString(data)


def encode_run(run: Run) -> bytes:
    """A run as a RunRecord."""
    return storage_pb2.RunRecord(
        user=run.user,
        job_id=run.job_id,
        job_uid=run.job_uid,
        run_id=run.run_id,
        segment=run.segment,
        state=int(run.state),
        trigger=int(run.trigger),
        schedule_ms=run.schedule_ms,
        due_ms=run.due_ms,
        update_ms=run.update_ms,
        revision=run.revision,
        publish_ms=run.publish_ms,
        start_ms=run.start_ms,
        end_ms=run.end_ms,
        attempt=run.attempt,
        epoch=run.epoch,
        worker=run.worker,
        topic=run.topic,
        partition_plus_1=run.partition + 1,
        offset_plus_1=run.offset + 1,
        error=run.error,
        skip_reason=run.skip_reason,
        skipped_count=run.skipped_count,
        first_schedule_ms=run.first_schedule_ms,
        last_schedule_ms=run.last_schedule_ms,
        traceparent=run.traceparent,
        retention_ms=run.retention_ms,
        create_ms=run.create_ms,
        attempt_due_ms=run.attempt_due_ms,
        fence=run.fence,
        executor=run.executor,
        cancel_requested=run.cancel_requested,
        next_attempt_ms=run.next_attempt_ms,
        error_type=run.error_type,
        error_details=run.error_details,
        progress_fraction=run.progress_fraction,
        progress_message=run.progress_message,
        progress_ms=run.progress_ms,
        result=run.result,
        retried_run=run.retried_run,
        backfill_id=run.backfill_id,
        blocking_run=run.blocking_run,
        dead_letter_topic=run.dead_letter_topic,
        overlap_policy=run.overlap_policy,
        detail=run.detail,
        past_attempts=[_attempt_record(attempt) for attempt in run.past_attempts],
        held_by=int(run.held_by),
        held_ms=run.held_ms,
    ).SerializeToString()


def _attempt_record(attempt: PastAttempt) -> storage_pb2.AttemptRecord:
    return storage_pb2.AttemptRecord(
        attempt=attempt.attempt,
        state=int(attempt.state),
        due_ms=attempt.due_ms,
        publish_ms=attempt.publish_ms,
        start_ms=attempt.start_ms,
        end_ms=attempt.end_ms,
        worker=attempt.worker,
        executor=attempt.executor,
        topic=attempt.topic,
        partition_plus_1=attempt.partition + 1,
        offset_plus_1=attempt.offset + 1,
        fence=attempt.fence,
        error=attempt.error,
        error_type=attempt.error_type,
        error_details=attempt.error_details,
        held_by=int(attempt.held_by),
        held_ms=attempt.held_ms,
    )


def _attempt_of(record: storage_pb2.AttemptRecord) -> PastAttempt:
    return PastAttempt(
        attempt=record.attempt,
        state=_RUN_STATES[record.state],
        due_ms=record.due_ms,
        publish_ms=record.publish_ms,
        start_ms=record.start_ms,
        end_ms=record.end_ms,
        worker=record.worker,
        executor=record.executor,
        topic=record.topic,
        partition=record.partition_plus_1 - 1,
        offset=record.offset_plus_1 - 1,
        fence=record.fence,
        error=record.error,
        error_type=record.error_type,
        error_details=record.error_details,
        held_by=_LIMITS[record.held_by],
        held_ms=record.held_ms,
    )


def decode_run(data: bytes) -> Run:
    """The run of a RunRecord.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no RunRecord.
    """
    return run_of(storage_pb2.RunRecord.FromString(data))


def run_of(record: storage_pb2.RunRecord) -> Run:
    """The run of a parsed RunRecord."""
    return Run(
        user=record.user,
        job_id=record.job_id,
        job_uid=record.job_uid,
        run_id=record.run_id,
        segment=record.segment,
        state=_RUN_STATES[record.state],
        trigger=_TRIGGERS[record.trigger],
        schedule_ms=record.schedule_ms,
        due_ms=record.due_ms,
        update_ms=record.update_ms,
        revision=record.revision,
        publish_ms=record.publish_ms,
        start_ms=record.start_ms,
        end_ms=record.end_ms,
        attempt=record.attempt,
        epoch=record.epoch,
        worker=record.worker,
        topic=record.topic,
        partition=record.partition_plus_1 - 1,
        offset=record.offset_plus_1 - 1,
        error=record.error,
        skip_reason=record.skip_reason,
        skipped_count=record.skipped_count,
        first_schedule_ms=record.first_schedule_ms,
        last_schedule_ms=record.last_schedule_ms,
        traceparent=record.traceparent,
        retention_ms=record.retention_ms,
        create_ms=record.create_ms,
        attempt_due_ms=record.attempt_due_ms,
        fence=record.fence,
        executor=record.executor,
        cancel_requested=record.cancel_requested,
        next_attempt_ms=record.next_attempt_ms,
        error_type=record.error_type,
        error_details=record.error_details,
        progress_fraction=record.progress_fraction,
        progress_message=record.progress_message,
        progress_ms=record.progress_ms,
        result=record.result,
        retried_run=record.retried_run,
        backfill_id=record.backfill_id,
        blocking_run=record.blocking_run,
        dead_letter_topic=record.dead_letter_topic,
        overlap_policy=record.overlap_policy,
        detail=record.detail,
        past_attempts=tuple(_attempt_of(attempt) for attempt in record.past_attempts),
        held_by=_LIMITS[record.held_by],
        held_ms=record.held_ms,
    )


def encode_entry(entry: ScheduleEntry) -> bytes:
    """A schedule entry as an EntryRecord."""
    return _entry_record(entry).SerializeToString()


def decode_entry(data: bytes) -> ScheduleEntry:
    """The schedule entry of an EntryRecord.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no EntryRecord.
    """
    return entry_of(storage_pb2.EntryRecord.FromString(data))


def _entry_record(entry: ScheduleEntry) -> storage_pb2.EntryRecord:
    return storage_pb2.EntryRecord(
        segment=entry.segment,
        fire_ms=entry.fire_ms,
        user=entry.user,
        uid=entry.uid,
        kind=int(entry.kind),
        generation=entry.generation,
        schedule_ms=entry.schedule_ms,
        due_ms=entry.due_ms,
        ordinal=entry.ordinal,
        run_id=entry.run_id,
        attempt=entry.attempt,
        detail=entry.detail,
    )


def entry_of(record: storage_pb2.EntryRecord) -> ScheduleEntry:
    """The schedule entry of a parsed EntryRecord."""
    return ScheduleEntry(
        segment=record.segment,
        fire_ms=record.fire_ms,
        user=intern(record.user),
        uid=record.uid,
        kind=_ENTRY_KINDS[record.kind],
        generation=record.generation,
        schedule_ms=record.schedule_ms,
        due_ms=record.due_ms,
        ordinal=record.ordinal,
        run_id=record.run_id,
        attempt=record.attempt,
        detail=record.detail,
    )


def encode_inbox(entry: InboxEntry) -> bytes:
    """An inbox entry as an InboxRecord."""
    return storage_pb2.InboxRecord(
        segment=entry.segment,
        write_ms=entry.write_ms,
        user=entry.user,
        uid=entry.uid,
        version=entry.version,
        entry=None if entry.entry is None else _entry_record(entry.entry),
    ).SerializeToString()


def decode_inbox(data: bytes) -> InboxEntry:
    """The inbox entry of an InboxRecord.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no InboxRecord.
    """
    record = storage_pb2.InboxRecord.FromString(data)
    return InboxEntry(
        segment=record.segment,
        write_ms=record.write_ms,
        user=record.user,
        uid=record.uid,
        version=record.version,
        entry=entry_of(record.entry) if record.HasField("entry") else None,
    )


def job_retention_ms(spec: job_pb2.Job) -> int:
    """How long a job is kept once it is completed or deleted, in ms; an explicit 0 is 0."""
    if not spec.HasField("retention"):
        return DEFAULT_RETENTION_MS
    return spec.retention.seconds * 1000 + spec.retention.nanos // 1_000_000


def expires_ms(job: Job) -> int | None:
    """From when on a job may be removed, Unix milliseconds; None while it lives."""
    retention_ms = job_retention_ms(job.spec)
    if job.delete_ms:
        return job.delete_ms + retention_ms
    if job.completed_generation == job.generation:
        return job.complete_ms + retention_ms
    return None


def run_kept_until_ms(run: Run) -> int:
    """The instant from which on a run's state may be removed, Unix milliseconds.

    By one that a request has made the request is known when it comes again.
    """
    kept_ms = run.retention_ms
    if run.state not in FINAL_STATES:
        kept_ms = max(kept_ms, UNFINISHED_KEPT_MS)
    if kept_ms < REQUEST_ID_KEPT_MS and _is_requested(run):
        kept_ms = REQUEST_ID_KEPT_MS
    return run.update_ms + kept_ms


def _is_requested(run: Run) -> bool:
    """Whether it was asked for with a request_id: by hand, or as a retry."""
    if run.trigger not in (Trigger.MANUAL, Trigger.RETRY):
        return False
    asked = owner_service_pb2.TriggerRunRequest.FromString(run.detail)
    return bool(asked.request_id or asked.request_digest)


def run_logged_until_ms(run: Run) -> int:
    """The same for its place in the run log."""
    return max(run_kept_until_ms(run), run.update_ms + LOGGED_KEPT_MS)


def is_recurring(spec: job_pb2.Job) -> bool:
    """The original design's column `is_recurring`: whether there can be a second occurrence."""
    return spec.schedule.WhichOneof("form") != "at"


def run_interval(spec: job_pb2.Job) -> str:
    """The original design's column `run_interval`: the schedule for people, empty for one-off."""
    schedule = spec.schedule
    match schedule.WhichOneof("form"):
        case "cron":
            return schedule.cron
        case "every":
            return schedule.every.ToJsonString()
        case "iso8601":
            return schedule.iso8601
        case "rrule":
            return schedule.rrule
        case "any_of":
            return f"any of {len(schedule.any_of.schedules)}"
        case _:
            return ""
