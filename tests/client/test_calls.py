"""Calls: what is sent, what comes back, what is repeated and what must not be."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from client.stand_in import UNAVAILABLE, StandIn, status
from tickwheel.client import ApiError, Client, FieldViolation, RetryPolicy
from tickwheel.v1 import (
    executor_service_pb2,
    job_pb2,
    job_service_pb2,
    run_pb2,
    schedule_pb2,
    target_pb2,
)

HOURLY = job_pb2.Job(
    schedule=schedule_pb2.Schedule(cron="0 * * * *"), target=target_pb2.Target(topic="t")
)
NAME = "users/7/jobs/nightly"


async def test_a_creation_whose_answer_was_lost_is_repeated_and_is_one_job(
    api: StandIn, client: Client
) -> None:
    api.lost_answers["CreateJob"] = 2
    job = await client.create_job("users/7", HOURLY)
    first, second, third = api.calls["CreateJob"]
    assert first.request_id
    assert first == second == third
    assert list(api.jobs) == [job.name]


async def test_each_creation_has_a_request_id_of_its_own(api: StandIn, client: Client) -> None:
    await client.create_job("users/7", HOURLY)
    await client.create_job("users/7", HOURLY)
    await client.create_job("users/7", HOURLY, request_id="mine")
    one, other, mine = (call.request_id for call in api.calls["CreateJob"])
    assert one != other
    assert mine == "mine"


async def test_a_batch_says_of_each_item_what_became_of_it(api: StandIn, client: Client) -> None:
    api.refusals["BatchCreateJobs"].append(UNAVAILABLE)
    results = await client.batch_create_jobs(
        "users/7",
        [
            job_service_pb2.CreateJobRequest(job_id="a", job=HOURLY),
            job_service_pb2.CreateJobRequest(job_id="b"),
            job_service_pb2.CreateJobRequest(job_id="c", job=HOURLY, request_id="mine"),
        ],
    )
    first, refused, last = results
    assert isinstance(first, job_pb2.Job)
    assert first.name == "users/7/jobs/a"
    assert isinstance(refused, ApiError)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.violations == (FieldViolation("job.target.topic", "is required"),)
    assert isinstance(last, job_pb2.Job)
    before, after = api.calls["BatchCreateJobs"]
    assert before == after
    ids = [each.request_id for each in after.requests]
    assert len(set(ids)) == 3
    assert ids[2] == "mine"


async def test_a_refusal_is_decoded(api: StandIn, client: Client) -> None:
    api.refusals["CreateJob"].append(
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "CRON_INVALID",
            "the schedule is wrong",
            fields=[("job.schedule.cron", "minute 61 is not 0-59"), ("job.name", "too long")],
        )
    )
    with pytest.raises(ApiError) as caught:
        await client.create_job("users/7", HOURLY)
    error = caught.value
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "CRON_INVALID"
    assert error.message == "the schedule is wrong"
    assert error.metadata == {"from": "stand-in"}
    assert error.violations == (
        FieldViolation("job.schedule.cron", "minute 61 is not 0-59"),
        FieldViolation("job.name", "too long"),
    )
    assert error.retry_delay is None
    assert str(error) == (
        "INVALID_ARGUMENT CRON_INVALID: the schedule is wrong; "
        "job.schedule.cron: minute 61 is not 0-59; job.name: too long"
    )
    assert len(api.calls["CreateJob"]) == 1


async def test_where_no_server_is_the_last_attempt_says_so() -> None:
    async with Client("127.0.0.1:1", retry=RetryPolicy(2, 0.01, 0.01)) as client:
        with pytest.raises(ApiError, match=r"UNAVAILABLE: .*Connection refused") as caught:
            await client.get_job(NAME)
    assert caught.value.reason == ""


async def test_a_call_that_an_ending_server_let_go_is_repeated(
    api: StandIn, client: Client
) -> None:
    api.refusals["CreateJob"].append(status(grpc.StatusCode.CANCELLED, ""))
    await client.create_job("users/7", HOURLY)
    first, second = api.calls["CreateJob"]
    assert first == second


async def test_attempts_are_bounded(api: StandIn, client: Client) -> None:
    api.refusals["GetJob"].extend([UNAVAILABLE] * 9)
    with pytest.raises(ApiError, match="STORE_UNAVAILABLE"):
        await client.get_job(NAME)
    assert len(api.calls["GetJob"]) == 5


async def test_what_may_not_be_done_twice_is_not_repeated(api: StandIn, client: Client) -> None:
    methods = ["DeleteJob", "UpdateJob", "PauseJob", "ResumeJob"]
    for method in methods:
        api.refusals[method].append(UNAVAILABLE)
    with pytest.raises(ApiError):
        await client.delete_job(NAME)
    with pytest.raises(ApiError):
        await client.update_job(job_pb2.Job(name=NAME, etag="e"))
    with pytest.raises(ApiError):
        await client.pause_job(NAME, etag="e")
    with pytest.raises(ApiError):
        await client.resume_job(NAME, etag="e")
    assert [len(api.calls[method]) for method in methods] == [1, 1, 1, 1]


async def test_an_overloaded_server_is_given_the_time_it_asks_for(
    api: StandIn, client: Client
) -> None:
    await client.create_job("users/7", HOURLY, job_id="nightly")
    api.refusals["DeleteJob"].append(
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_delay_ms=200)
    )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await client.delete_job(NAME)
    assert loop.time() - begun >= 0.2
    assert not api.jobs


async def test_no_wait_goes_beyond_the_time_out(api: StandIn, address: str) -> None:
    api.refusals["GetJob"].append(
        status(grpc.StatusCode.UNAVAILABLE, "SEGMENT_UNOWNED", retry_delay_ms=60_000)
    )
    async with Client(address, timeout=5) as client, asyncio.timeout(4):
        with pytest.raises(ApiError, match="SEGMENT_UNOWNED") as caught:
            await client.get_job(NAME)
    assert caught.value.retry_delay == 60


async def test_lists_fetch_pages_as_they_are_read(api: StandIn, client: Client) -> None:
    for number in range(5):
        await client.create_job("users/7", HOURLY, job_id=f"j{number}")
    jobs = client.list_jobs("users/-", filter="state = ACTIVE", page_size=2)
    names = [(await anext(jobs)).name for _ in range(3)]
    assert len(api.calls["ListJobs"]) == 2
    names += [job.name async for job in jobs]
    assert names == list(api.jobs)
    assert [call.page_token for call in api.calls["ListJobs"]] == ["", "2", "4"]
    assert {(call.parent, call.filter, call.page_size) for call in api.calls["ListJobs"]} == {
        ("users/-", "state = ACTIVE", 2)
    }


async def test_runs_are_listed_and_read(api: StandIn, client: Client) -> None:
    await api.change(*(run_pb2.Run(name=f"{NAME}/runs/{number}") for number in range(3)))
    found = [run.name async for run in client.list_runs(NAME)]
    assert found == [run.name for run in api.runs]
    assert (await client.get_run(f"{NAME}/runs/1")).name == f"{NAME}/runs/1"


async def test_a_job_is_updated_paused_resumed_and_run(api: StandIn, client: Client) -> None:
    await client.create_job("users/7", HOURLY, job_id="nightly")
    changed = await client.update_job(
        job_pb2.Job(name=NAME, description="new", etag=""), ["description"]
    )
    assert changed.description == "new"
    assert changed.target.topic == "t"
    assert (await client.pause_job(NAME, reason="why")).pause_reason == "why"
    assert (await client.resume_job(NAME)).state == job_pb2.JOB_STATE_ACTIVE
    api.refusals["RunJob"].append(UNAVAILABLE)
    run = await client.run_job(
        NAME, payload=target_pb2.Payload(text="x"), overlap_policy=job_pb2.OVERLAP_ALLOW_ALL
    )
    assert run.state == run_pb2.RUN_STATE_PENDING
    first, second = api.calls["RunJob"]
    assert first.request_id
    assert first == second
    assert (first.payload.text, first.overlap_policy) == ("x", job_pb2.OVERLAP_ALLOW_ALL)


async def test_an_update_without_a_mask_leaves_it_to_the_server(
    api: StandIn, client: Client
) -> None:
    await client.create_job("users/7", HOURLY, job_id="nightly")
    await client.update_job(job_pb2.Job(name=NAME))
    await client.update_job(job_pb2.Job(name=NAME), [])
    without, empty = api.calls["UpdateJob"]
    assert not without.HasField("update_mask")
    assert empty.HasField("update_mask")


async def test_a_preview(client: Client) -> None:
    found = await client.preview_schedule(
        HOURLY.schedule, start_time=Timestamp(seconds=1_000), count=2
    )
    assert [time.seconds for time in found.times] == [87_400, 173_800]


async def test_messages_may_be_larger_than_grpc_takes_by_default(client: Client) -> None:
    large = job_pb2.Job(target=target_pb2.Target(topic="t"))
    large.target.payload.data = bytes(9_000_000)
    job = await client.create_job("users/7", large)
    assert len(job.target.payload.data) == 9_000_000


async def test_records_are_pulled_and_acknowledged(api: StandIn, client: Client) -> None:
    api.records = [executor_service_pb2.Record(topic="t", partition=1, offset=7)]
    request = executor_service_pb2.PullRecordsRequest(
        topic="t", group="g", wait=Duration(seconds=5)
    )
    records = await client.pull_records(request)
    assert [record.offset for record in records] == [7]
    await client.ack_records("t", "g", records)
    (ack,) = api.calls["AckRecords"]
    assert [(each.partition, each.offset) for each in ack.records] == [(1, 7)]


@pytest.mark.parametrize(("attempt", "longest"), [(1, 1.0), (2, 2.0), (3, 3.0), (5_000, 3.0)])
def test_waits_grow_and_are_spread(attempt: int, longest: float) -> None:
    policy = RetryPolicy(initial_backoff=1.0, max_backoff=3.0)
    waits = [policy.wait(attempt) for _ in range(100)]
    assert longest / 2 <= min(waits) < max(waits) <= longest
    assert policy.wait(attempt, suggested=10.0) >= 10.0
