"""What is stored and answered when a job is created."""

from collections.abc import Sequence

import pytest
from google.protobuf import struct_pb2

from api.harness import PARENT, ApiUnderTest, refused
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import PayloadKind
from tickwheel.server.domain.names import is_uuid7, segment_of
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.store.port import INBOX_HORIZON_MS
from tickwheel.v1 import job_pb2, job_service_pb2, schedule_pb2


async def test_the_answer_is_complete(api: ApiUnderTest) -> None:
    job = api.at()
    job.schedule.cron = "30 2 * * *"
    job.target.payload.json.struct_value.fields["report"].string_value = "daily"

    made = await api.create(job, "nightly")

    assert made.name == "users/7/jobs/nightly"
    assert is_uuid7(made.uid)
    assert made.state == job_pb2.JOB_STATE_ACTIVE
    assert made.etag
    assert made.create_time == made.update_time
    assert made.create_time.ToMilliseconds() == api.clock.now_ms()
    assert len(made.next_run_times) == 5
    assert made.schedule.time_zone == "UTC"
    assert made.schedule.dst_gap == schedule_pb2.DST_GAP_NEXT_VALID
    assert made.schedule.dst_overlap == schedule_pb2.DST_OVERLAP_FIRST
    assert made.completion == job_pb2.COMPLETION_PUBLISHED
    assert made.run_timeout.seconds == 60
    assert made.retry_policy.max_retry_count == 3
    assert made.retry_policy.initial_backoff.seconds == 1
    assert made.retry_policy.backoff_multiplier == 2
    assert made.retry_policy.max_backoff.seconds == 300
    assert made.overlap_policy == job_pb2.OVERLAP_SKIP
    assert made.catch_up_window.seconds == 3600
    assert made.priority == 5
    assert made.retention.seconds == 604800
    assert made.target.type == "tickwheel.run"
    assert made.target.content_type == "application/json"
    assert made.target.dead_letter_topic == "billing.dlq"
    assert made.target.payload == job.target.payload


async def test_an_explicit_zero_is_kept(api: ApiUnderTest) -> None:
    job = api.at()
    job.priority = 0
    job.retry_policy.max_retry_count = 0
    job.retry_policy.initial_backoff.SetInParent()
    job.catch_up_window.SetInParent()
    job.retention.SetInParent()

    made = await api.create(job)

    assert made.priority == 0
    assert made.retry_policy.max_retry_count == 0
    assert made.retry_policy.initial_backoff.ToSeconds() == 0
    assert made.retry_policy.max_backoff.seconds == 300
    assert made.catch_up_window.ToSeconds() == 0
    assert made.retention.ToSeconds() == 0


async def test_a_one_off_job_has_no_catch_up_window_of_its_own(api: ApiUnderTest) -> None:
    made = await api.create(api.at())

    assert not made.HasField("catch_up_window")


async def test_what_the_client_may_not_write_is_ignored(api: ApiUnderTest) -> None:
    job = api.at()
    job.name = "users/8/jobs/other"
    job.uid = "mine"
    job.etag = "mine"
    job.state = job_pb2.JOB_STATE_PAUSED
    job.pause_reason = "mine"
    job.create_time.seconds = 1

    made = await api.create(job, "a")

    assert made.name == "users/7/jobs/a"
    assert made.uid != "mine"
    assert made.state == job_pb2.JOB_STATE_ACTIVE
    assert made.pause_reason == ""
    assert made.create_time.seconds > 1


async def test_without_an_id_the_uid_names_the_job(api: ApiUnderTest) -> None:
    made = await api.create(api.at())

    assert made.name == f"users/7/jobs/{made.uid}"
    assert (await api.stored(made.name)).uid == made.uid


async def test_the_entry_is_where_the_owner_looks(api: ApiUnderTest) -> None:
    now_ms = api.clock.now_ms()
    made = await api.create(api.at(60_000))

    due_ms = now_ms + 60_000
    segment = segment_of(made.uid, await api.store.leases.segment_count())
    (entry,) = await api.store.schedule.read_due([segment], due_ms, due_ms + 1)
    assert (entry.uid, entry.kind, entry.generation) == (made.uid, EntryKind.SCHEDULE, 1)
    assert (entry.schedule_ms, entry.due_ms, entry.ordinal) == (due_ms, due_ms, 0)
    assert await api.store.schedule.read_inbox([segment], 0) == []
    assert api.owners.announced == []


async def test_what_is_due_soon_goes_through_the_inbox(api: ApiUnderTest) -> None:
    made = await api.create(api.at(INBOX_HORIZON_MS - 1))

    segment = segment_of(made.uid, await api.store.leases.segment_count())
    (inbox,) = await api.store.schedule.read_inbox([segment], 0)
    assert inbox.uid == made.uid
    assert inbox.entry is not None
    assert [job.uid for job in api.owners.announced] == [made.uid]


async def test_an_instant_in_the_past_is_due_at_once(api: ApiUnderTest) -> None:
    now_ms = api.clock.now_ms()
    made = await api.create(api.at(-86_400_000))

    segment = segment_of(made.uid, await api.store.leases.segment_count())
    (entry,) = await api.store.schedule.read_due([segment], now_ms, now_ms + 1)
    assert entry.schedule_ms == entry.due_ms == now_ms - 86_400_000
    assert entry.fire_ms == now_ms
    assert made.next_run_times[0].ToMilliseconds() == now_ms - 86_400_000


async def test_no_occurrence_before_the_creation(api: ApiUnderTest) -> None:
    job = api.at()
    job.schedule.every.seconds = 10
    job.schedule.anchor.FromMilliseconds(api.clock.now_ms() - 25_000)

    made = await api.create(job)

    first_ms = api.clock.now_ms() + 5_000
    assert [at.ToMilliseconds() for at in made.next_run_times] == [
        first_ms + 10_000 * k for k in range(5)
    ]


async def test_every_is_counted_from_the_creation(api: ApiUnderTest) -> None:
    job = api.at()
    job.schedule.every.seconds = 10

    made = await api.create(job)

    assert made.next_run_times[0] == made.create_time


async def test_no_more_next_times_than_max_runs(api: ApiUnderTest) -> None:
    job = api.at()
    job.schedule.every.seconds = 10
    job.schedule.max_runs = 2

    assert len((await api.create(job)).next_run_times) == 2


async def test_json_is_stored_as_it_is_published(api: ApiUnderTest) -> None:
    job = api.at()
    job.target.payload.json.struct_value.update(
        {"b": [1, 2.5, 1e3, 0, None, True], "a": {"text": "grüß\n"}, "e": {}}
    )

    made = await api.create(job)

    payload = (await api.stored(made.name)).payload
    assert payload.kind is PayloadKind.JSON
    assert payload.data == '{"a":{"text":"grüß\\n"},"b":[1,2.5,1000,0,null,true],"e":{}}'.encode()
    assert made.target.payload.json == job.target.payload.json


async def test_text_and_data_are_answered_as_they_came(api: ApiUnderTest) -> None:
    text, data, none = api.at(), api.at(), api.at()
    text.target.payload.text = "grüß"
    data.target.payload.data = b"\x00\xff"

    made_text, made_data, made_none = [await api.create(job) for job in (text, data, none)]

    assert made_text.target.payload.text == "grüß"
    assert made_text.target.content_type == "text/plain; charset=utf-8"
    assert made_data.target.payload.data == b"\x00\xff"
    assert made_data.target.content_type == "application/octet-stream"
    assert not made_none.target.HasField("payload")
    assert (await api.stored(made_none.name)).payload.data == b""


async def test_a_content_type_of_the_clients_own_is_kept(api: ApiUnderTest) -> None:
    job = api.at()
    job.target.content_type = "application/cbor"
    job.target.payload.data = b"\xa0"

    assert (await api.create(job)).target.content_type == "application/cbor"


async def test_a_payload_of_exactly_the_limit_is_taken(api: ApiUnderTest) -> None:
    job = api.at()
    job.target.payload.data = b"x" * (256 * 1024)

    assert len((await api.create(job)).target.payload.data) == 256 * 1024


async def test_a_taken_id_is_refused(api: ApiUnderTest) -> None:
    await api.create(api.at(), "a")

    refusal = await refused(api.create(api.at(), "a"))

    assert refusal.summary == ("ALREADY_EXISTS", "JOB_ALREADY_EXISTS", [])
    assert await api.count() == 1


async def test_the_same_id_of_another_owner_is_free(api: ApiUnderTest) -> None:
    await api.create(api.at(), "a")

    assert (await api.create(api.at(), "a", parent="users/8")).name == "users/8/jobs/a"


async def test_the_same_request_twice_is_one_job(api: ApiUnderTest) -> None:
    job = api.at()
    job.target.payload.json.struct_value.update({"a": 1, "b": 2})

    first = await api.create(job, request_id="r1")
    api.clock.advance(5_000)
    second = await api.create(job, request_id="r1")

    assert second == first
    assert await api.count() == 1


async def test_the_same_request_id_with_other_content_is_refused(api: ApiUnderTest) -> None:
    await api.create(api.at(), request_id="r1")

    refusal = await refused(api.create(api.at(1), request_id="r1"))

    assert refusal.summary == ("ALREADY_EXISTS", "REQUEST_ID_REUSED", [])
    assert await api.count() == 1


async def test_validate_only_stores_nothing(api: ApiUnderTest) -> None:
    request = job_service_pb2.CreateJobRequest(
        parent=PARENT, job=api.at(1_000), job_id="a", validate_only=True
    )

    would_be = await api.jobs.CreateJob(request)

    assert would_be.name == "users/7/jobs/a"
    assert len(would_be.next_run_times) == 1
    assert await api.count() == 0
    assert api.owners.announced == []


async def test_validate_only_finds_what_is_wrong(api: ApiUnderTest) -> None:
    await api.create(api.at(), "a")
    wrong = job_service_pb2.CreateJobRequest(parent=PARENT, job=api.at(), validate_only=True)
    wrong.job.schedule.cron = "x"
    taken = job_service_pb2.CreateJobRequest(
        parent=PARENT, job=api.at(), job_id="a", validate_only=True
    )

    assert (await refused(api.jobs.CreateJob(wrong))).reason == "CRON_INVALID"
    assert (await refused(api.jobs.CreateJob(taken))).reason == "JOB_ALREADY_EXISTS"


async def test_a_deep_payload_comes_back(api: ApiUnderTest) -> None:
    value = struct_pb2.Value(string_value="bottom")
    for _ in range(15):
        outer = struct_pb2.Value()
        outer.list_value.values.add().CopyFrom(value)
        value = outer
    job = api.at()
    job.target.payload.json.CopyFrom(value)

    assert (await api.create(job)).target.payload.json == value


async def test_a_job_that_is_stored_is_answered_though_its_count_cannot_be_read(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was answered that the store is away: made again, the job ran twice."""

    async def away(*_: object) -> Sequence[ScheduleEntry]:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(api.store.schedule, "read_due", away)
    job = api.at()
    job.schedule.every.seconds = 3_600
    job.schedule.max_runs = 2

    made = await api.create(job)

    assert len(made.next_run_times) == 2
    assert await api.count() == 1
