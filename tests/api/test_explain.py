"""ExplainJob, as far as it depends on who is there; what it says of what is recorded is e2e's."""

from google.protobuf.duration_pb2 import Duration

from api.harness import ApiUnderTest
from tickwheel.v1 import job_service_pb2

NAME = "users/7/jobs/a"


async def told(api: ApiUnderTest) -> str:
    """Of the job's latest occurrence that is due."""
    now_ms = api.clock.now_ms()
    request = job_service_pb2.ExplainJobRequest(name=NAME)
    request.start_time.FromMilliseconds(now_ms - 90_000)
    request.end_time.FromMilliseconds(now_ms - 30_000)
    (one,) = (await api.jobs.ExplainJob(request)).occurrences
    assert one.reason == job_service_pb2.OCCURRENCE_REASON_OUTAGE
    return one.text


async def test_whose_scheduler_is_gone_is_owned_by_nobody(api: ApiUnderTest) -> None:
    job = api.at()
    job.schedule.Clear()
    job.schedule.every.CopyFrom(Duration(seconds=60))
    await api.create(job, "a")
    stored = await api.stored(NAME)
    api.clock.advance(180_000)
    assert "no scheduler owns the job's segment" in await told(api)
    await api.owners.stamp(stored.segment)
    assert "has not come to it yet" in await told(api)
    # Its process was killed: it gave nothing back, and its lease has run out.
    api.clock.advance(2 * 86_400_000)
    assert "no scheduler owns the job's segment" in await told(api)
