"""Records as the worker makes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tickwheel.client.executor.port import Delivery
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Permit, Record
from tickwheel.worker.publisher.records import record_of

TOPIC = "billing"
JOB = "users/7/jobs/nightly"
UID = "0192f0c4-7a3b-7c55-9d1e-3f1a2b4c5d6e"
BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)


def attempt_record(
    number: int,
    *,
    attempt: int = 1,
    fence: int = 1,
    topic: str = TOPIC,
    payload: bytes = b'{"report":"daily"}',
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    key: str = "",
    traceparent: str = "",
    dead_letter: bool = False,
) -> tuple[Record, str]:
    """The record of an attempt of the run of a job's `number`th occurrence, and the run's name."""
    instant = BEGIN + timedelta(seconds=number)
    run_id = instant.strftime("%Y%m%dT%H%M%S000Z")
    milliseconds = round(instant.timestamp() * 1000)
    assignment = pb.Assignment(
        key=pb.RunKey(job_uid=UID, run_id=run_id, attempt=attempt, dead_letter=dead_letter),
        epoch=fence,
        due_ms=milliseconds + 5,
        schedule_ms=milliseconds,
        job_name=JOB,
        topic=topic,
        key_text=key or f"key-{number}",
        type="tickwheel.run",
        content_type=content_type,
        headers=headers,
        payload=payload,
        traceparent=traceparent,
    )
    return record_of(assignment, Permit(), 0), f"{JOB}/runs/{run_id}"


def delivery_of(record: Record, partition: int = 0, offset: int = 0) -> Delivery:
    return Delivery(
        record.topic, partition, offset, record.key or b"", record.value, record.headers
    )
