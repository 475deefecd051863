"""BatchCreateJobs: each item by itself, in order."""

from collections.abc import Sequence

import pytest

from api.harness import PARENT, ApiUnderTest, HandClock, Refusal, refused, serving
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.store.port import CreateResult, IdContested, NewJob, Store
from tickwheel.v1 import job_pb2, job_service_pb2


def item(
    job: job_pb2.Job, job_id: str = "", request_id: str = "", parent: str = ""
) -> job_service_pb2.CreateJobRequest:
    return job_service_pb2.CreateJobRequest(
        job=job, job_id=job_id, request_id=request_id, parent=parent
    )


async def send(
    api: ApiUnderTest, *items: job_service_pb2.CreateJobRequest
) -> list[job_service_pb2.BatchCreateJobsResult]:
    request = job_service_pb2.BatchCreateJobsRequest(parent=PARENT, requests=items)
    return list((await api.jobs.BatchCreateJobs(request)).results)


async def test_results_are_in_order_and_each_by_itself(api: ApiUnderTest) -> None:
    wrong_cron, wrong_field, no_topic = api.at(), api.at(), api.at()
    wrong_cron.schedule.cron = "* * * * 9"
    wrong_field.priority = 11
    no_topic.target.topic = ""

    results = await send(
        api,
        item(api.at(), "a"),
        item(wrong_cron),
        item(wrong_field),
        item(api.at(), "a"),
        item(api.at(), "b", parent="users/8"),
        item(no_topic),
        item(api.at(), "c", parent=PARENT),
    )

    assert [result.WhichOneof("result") for result in results] == [
        "job", "error", "error", "error", "error", "error", "job",
    ]  # fmt: skip
    refusals = [Refusal(result.error) for result in results[1:6]]
    assert [refusal.summary for refusal in refusals] == [
        ("INVALID_ARGUMENT", "CRON_INVALID", ["requests[1].job.schedule.cron"]),
        ("INVALID_ARGUMENT", "FIELD_INVALID", ["requests[2].job.priority"]),
        ("ALREADY_EXISTS", "JOB_ALREADY_EXISTS", []),
        ("INVALID_ARGUMENT", "CONFLICTING_FIELDS", ["requests[4].parent"]),
        ("INVALID_ARGUMENT", "FIELD_REQUIRED", ["requests[5].job.target.topic"]),
    ]
    assert results[0].job.name == "users/7/jobs/a"
    assert len(results[0].job.next_run_times) == 1
    assert await api.count() == 2


async def test_an_id_that_another_creation_has_at_work_fails_alone(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Cassandra, where whoever had begun it has ended, say."""
    create = api.store.jobs.create

    async def contested(new: Sequence[NewJob]) -> list[CreateResult]:
        results = await create([one for one in new if one.job.job_id != "b"])
        return [results[0], IdContested(), *results[1:]]

    monkeypatch.setattr(api.store.jobs, "create", contested)
    results = await send(api, item(api.at(), "a"), item(api.at(), "b"), item(api.at(), "c"))
    assert [result.WhichOneof("result") for result in results] == ["job", "error", "job"]
    refusal = Refusal(results[1].error)
    assert refusal.summary == ("UNAVAILABLE", "STORE_UNAVAILABLE", [])
    assert "users/7/jobs/b" in refusal.message


async def test_request_ids_work_inside_a_batch(api: ApiUnderTest) -> None:
    job = api.at()

    first = await send(api, item(job, request_id="r1"), item(api.at(), request_id="r2"))
    second = await send(api, item(job, request_id="r1"), item(api.at(1), request_id="r2"))

    assert second[0].job == first[0].job
    assert Refusal(second[1].error).reason == "REQUEST_ID_REUSED"
    assert await api.count() == 2


async def test_an_item_is_the_same_request_alone_and_in_a_batch(api: ApiUnderTest) -> None:
    job = api.at()

    alone = await api.create(job, request_id="r1")
    batched = await send(api, item(job, request_id="r1"))

    assert batched[0].job == alone


async def test_owners_are_told_of_those_due_soon(api: ApiUnderTest) -> None:
    results = await send(api, item(api.at(1_000)), item(api.at(3_600_000)), item(api.at(-5)))

    assert [job.uid for job in api.owners.announced] == [results[0].job.uid, results[2].job.uid]


async def test_validate_only_items_are_not_stored(api: ApiUnderTest) -> None:
    only = item(api.at(), "a")
    only.validate_only = True

    results = await send(api, only, item(api.at(), "b"))

    assert results[0].job.name == "users/7/jobs/a"
    assert await api.count() == 1


async def test_a_thousand_fit(api: ApiUnderTest) -> None:
    results = await send(api, *(item(api.at()) for _ in range(1000)))

    assert len({result.job.uid for result in results}) == 1000


async def test_more_than_a_thousand_store_nothing(api: ApiUnderTest) -> None:
    refusal = await refused(send(api, *(item(api.at()) for _ in range(1001))))

    assert refusal.summary == ("INVALID_ARGUMENT", "BATCH_TOO_LARGE", ["requests"])
    assert await api.count() == 0


async def test_an_empty_batch_is_refused(api: ApiUnderTest) -> None:
    refusal = await refused(send(api))

    assert refusal.summary == ("INVALID_ARGUMENT", "FIELD_REQUIRED", ["requests"])


async def test_a_batch_whose_answer_cannot_be_sent_stores_nothing(api: ApiUnderTest) -> None:
    """It was stored, and then refused: the answer has names, times and defaults as well."""
    items = [item(api.at()) for _ in range(1_000)]
    for one in items:
        one.job.target.payload.data = b"x" * 16_600
    request = job_service_pb2.BatchCreateJobsRequest(parent=PARENT, requests=items)
    assert request.ByteSize() < 16 * 1024 * 1024

    refusal = await refused(api.jobs.BatchCreateJobs(request))

    assert refusal.summary == ("INVALID_ARGUMENT", "BATCH_TOO_LARGE", ["requests"])
    assert await api.count() == 0


async def test_no_answer_to_a_batch_is_larger_than_it_was_expected_to_be(
    store: Store, clock: HandClock
) -> None:
    """With all that a server adds to a job at its longest, and with errors in between."""
    async with serving(store, clock, ApiLimits()) as api:
        items = [item(api.at(), f"{'j' * 59}{number:04}") for number in range(1_000)]
        for number, one in enumerate(items):
            one.job.schedule.cron = "0 0 1 1 *"
            one.job.target.topic = "t" * 245
            one.job.target.payload.data = b"x" * 14_000
            if number % 10 == 9:
                one.job.target.topic = "."
        request = job_service_pb2.BatchCreateJobsRequest(parent=f"users/{'u' * 63}", requests=items)
        response = await api.jobs.BatchCreateJobs(request)

    told = [result for result in response.results if result.HasField("job")]
    assert len(told) == 900
    added = [
        one.ByteSize() - made.ByteSize() for one, made in zip(response.results, items, strict=True)
    ]
    assert max(added) < 1_024
