"""BackfillJob: which ranges it takes. What becomes of them is the scheduler's."""

import pytest

from api.harness import ApiUnderTest, refused
from tickwheel.server.api.commands import backfill_job
from tickwheel.server.domain.errors import SegmentUnowned
from tickwheel.v1 import job_pb2, job_service_pb2

NAME = "users/7/jobs/a"


def asked(api: ApiUnderTest, seconds: int) -> job_service_pb2.BackfillJobRequest:
    """The last so many seconds."""
    request = job_service_pb2.BackfillJobRequest(name=NAME)
    end_ms = api.clock.now_ms() // 1000 * 1000
    request.end_time.FromMilliseconds(end_ms)
    request.start_time.FromMilliseconds(end_ms - seconds * 1000)
    return request


async def make(api: ApiUnderTest) -> None:
    job = job_pb2.Job(target=api.at().target)
    job.schedule.every.FromSeconds(1)
    job.schedule.anchor.FromSeconds(0)
    await api.create(job, "a")


async def test_a_million_occurrences_are_one_request(api: ApiUnderTest) -> None:
    await make(api)

    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    told = await api.jobs.BackfillJob(
        asked(api, 1_000_000),
        metadata=(("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),),
    )

    assert told.count == 1_000_000
    # The owner is told where to begin and to end, not what lies between.
    (begun,) = api.owners.backfilled
    assert begun.end_ms - begun.first_ms == 1_000_000_000
    # And by which call it is asked for.
    assert begun.traceparent[3:35] == trace_id


async def test_a_request_that_comes_again_is_the_same_whatever_schedule_the_job_has_by_then(
    api: ApiUnderTest,
) -> None:
    await make(api)
    request = asked(api, 100)
    request.request_id = "again"
    told = await api.jobs.BackfillJob(request)
    job = job_pb2.Job(name=NAME)
    job.schedule.every.FromSeconds(7)
    await api.jobs.UpdateJob(
        job_service_pb2.UpdateJobRequest(job=job, update_mask={"paths": ["schedule"]})
    )

    assert await api.jobs.BackfillJob(request) == told

    (begun,) = api.owners.backfilled
    assert begun.generation == 1


async def test_a_request_that_comes_again_as_its_owner_did_not_answer_is_asked_for_again(
    api: ApiUnderTest,
) -> None:
    await make(api)
    request = asked(api, 100)
    request.request_id = "again"
    api.owners.failure = SegmentUnowned("nobody is there")
    await refused(api.jobs.BackfillJob(request))
    api.owners.failure = None
    job = job_pb2.Job(name=NAME)
    job.schedule.every.FromSeconds(7)
    await api.jobs.UpdateJob(
        job_service_pb2.UpdateJobRequest(job=job, update_mask={"paths": ["schedule"]})
    )

    told = await api.jobs.BackfillJob(request)

    assert told.count == 100
    (begun,) = api.owners.backfilled
    assert (begun.backfill_id, begun.generation) == (told.backfill_id, 1)
    assert begun.end_ms - begun.first_ms == 100_000
    assert begun.job.generation == 2


async def test_a_request_that_comes_again_is_not_counted_by_a_later_schedule(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By that the range may hold too much, and the request was refused then."""
    monkeypatch.setattr(backfill_job, "MAX_OCCURRENCES", 100)
    await make(api)
    request = asked(api, 100)
    request.request_id = "again"
    told = await api.jobs.BackfillJob(request)
    monkeypatch.setattr(backfill_job, "MAX_OCCURRENCES", 10)

    assert await api.jobs.BackfillJob(request) == told
    request.end_time.seconds -= 1
    assert (await refused(api.jobs.BackfillJob(request))).reason == "REQUEST_ID_REUSED"


async def test_a_range_that_takes_too_long_to_count_is_refused(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_job, "MAX_OCCURRENCES", 2_000)
    await make(api)

    assert (await api.jobs.BackfillJob(asked(api, 2_000))).count == 2_000
    refusal = await refused(api.jobs.BackfillJob(asked(api, 2_001)))

    assert refusal.info.reason == "TIME_RANGE_INVALID"
    assert refusal.bad.field_violations[0].field == "endTime"
    assert "more than 2,000 occurrences; ask for it in parts" in refusal.message
    assert len(api.owners.backfilled) == 1
