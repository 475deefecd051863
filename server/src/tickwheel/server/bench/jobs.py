"""The jobs that workloads submit."""

from collections.abc import Sequence
from datetime import timedelta

from tickwheel.v1 import job_pb2, job_service_pb2, schedule_pb2, target_pb2

PAYLOAD = target_pb2.Payload(text="x" * 1_024)
USER = "tickwheel-bench"
PARENT = f"users/{USER}"


def once(topic: str, at_ms: int) -> job_pb2.Job:
    """A job that is due once, with a payload of 1 KiB."""
    job = _job(topic)
    job.schedule.at.FromMilliseconds(at_ms)
    return job


def every(
    topic: str, period: timedelta, *, anchor_ms: int, start_ms: int, end_ms: int
) -> job_pb2.Job:
    """A job that is due at anchor + k * period, from its start and before its end."""
    schedule = schedule_pb2.Schedule()
    schedule.every.FromTimedelta(period)
    schedule.anchor.FromMilliseconds(anchor_ms)
    schedule.start_time.FromMilliseconds(start_ms)
    schedule.end_time.FromMilliseconds(end_ms)
    job = _job(topic)
    job.schedule.CopyFrom(schedule)
    return job


def batches(
    jobs: Sequence[job_pb2.Job], size: int, parent: str = PARENT
) -> list[job_service_pb2.BatchCreateJobsRequest]:
    """The jobs in requests of that size, their ids left to the server."""
    return [
        job_service_pb2.BatchCreateJobsRequest(
            parent=parent,
            requests=(
                job_service_pb2.CreateJobRequest(job=job) for job in jobs[start : start + size]
            ),
        )
        for start in range(0, len(jobs), size)
    ]


def _job(topic: str) -> job_pb2.Job:
    return job_pb2.Job(target=target_pb2.Target(topic=topic, payload=PAYLOAD))
