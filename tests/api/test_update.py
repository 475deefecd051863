"""UpdateJob: masks, etags, what a changed schedule does."""

from collections.abc import Sequence

import pytest
from google.protobuf import field_mask_pb2

from api.harness import ApiUnderTest, refused
from tickwheel.server.domain.errors import ChangeUnconfirmed
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.occurrence import KEEP_ORDINAL, ScheduleEntry
from tickwheel.server.store.port import INBOX_HORIZON_MS
from tickwheel.v1 import job_pb2, job_service_pb2, schedule_pb2


async def update(api: ApiUnderTest, job: job_pb2.Job, *paths: str, etag: str = "") -> job_pb2.Job:
    job.name = job.name or "users/7/jobs/a"
    job.etag = etag
    mask = field_mask_pb2.FieldMask(paths=paths) if paths else None
    return await api.jobs.UpdateJob(job_service_pb2.UpdateJobRequest(job=job, update_mask=mask))


async def make(api: ApiUnderTest) -> job_pb2.Job:
    job = api.at()
    job.description = "old"
    job.labels.update({"team": "billing", "tier": "1"})
    job.schedule.cron = "30 2 * * *"
    job.schedule.time_zone = "Europe/Berlin"
    job.target.key = "k"
    job.target.headers["h"] = "1"
    job.target.payload.json.struct_value.update({"report": "daily"})
    job.retry_policy.max_retry_count = 7
    return await api.create(job, "a")


async def test_only_what_the_mask_names_changes(api: ApiUnderTest) -> None:
    before = await make(api)

    after = await update(
        api, job_pb2.Job(description="new", priority=9, labels={"x": "y"}), "description"
    )

    assert after.description == "new"
    assert after.priority == before.priority
    assert after.labels == before.labels
    assert after.etag != before.etag
    assert after.uid == before.uid


async def test_maps_are_replaced_whole(api: ApiUnderTest) -> None:
    await make(api)
    job = job_pb2.Job(labels={"x": "y"})
    job.target.headers["new"] = "2"

    after = await update(api, job, "labels", "target.headers")

    assert dict(after.labels) == {"x": "y"}
    assert dict(after.target.headers) == {"new": "2"}
    assert after.target.key == "k"


async def test_nested_paths(api: ApiUnderTest) -> None:
    await make(api)
    job = job_pb2.Job()
    job.retry_policy.max_retry_count = 0
    job.retry_policy.max_backoff.seconds = 9
    job.target.topic = "other"

    after = await update(api, job, "retry_policy.max_retry_count", "target.topic")

    assert after.retry_policy.max_retry_count == 0
    assert after.retry_policy.max_backoff.seconds == 300
    assert after.target.topic == "other"
    assert after.target.key == "k"
    # A default that follows from the topic follows it.
    assert after.target.dead_letter_topic == "other.dlq"


async def test_names_may_be_those_of_json(api: ApiUnderTest) -> None:
    await make(api)
    job = job_pb2.Job()
    job.retry_policy.max_retry_count = 1

    assert (await update(api, job, "retryPolicy.maxRetryCount")).retry_policy.max_retry_count == 1


async def test_a_named_field_that_is_absent_goes_back_to_its_default(api: ApiUnderTest) -> None:
    await make(api)

    after = await update(
        api, job_pb2.Job(), "retry_policy", "description", "labels", "target.headers"
    )

    assert after.retry_policy.max_retry_count == 3
    assert after.description == ""
    assert not after.labels
    assert not after.target.headers


async def test_without_a_mask_what_is_set_changes(api: ApiUnderTest) -> None:
    before = await make(api)
    job = job_pb2.Job(description="new")
    job.target.key = "other"
    job.state = job_pb2.JOB_STATE_PAUSED

    after = await update(api, job)

    assert after.description == "new"
    assert after.target.key == "other"
    assert after.target.topic == before.target.topic
    assert after.target.payload == before.target.payload
    assert after.schedule == before.schedule
    assert after.state == job_pb2.JOB_STATE_ACTIVE


async def test_a_job_that_was_read_can_be_sent_back(api: ApiUnderTest) -> None:
    before = await make(api)
    read = await api.jobs.GetJob(job_service_pb2.GetJobRequest(name=before.name))
    read.description = "new"

    after = await update(api, read, etag=read.etag)

    assert after.description == "new"
    assert (await api.stored(before.name)).generation == 1


async def test_a_star_replaces_everything(api: ApiUnderTest) -> None:
    await make(api)
    job = api.at()
    job.target.payload.text = "hi"

    after = await update(api, job, "*")

    assert after.description == ""
    assert not after.labels
    assert after.schedule == job.schedule
    assert after.target.key == ""
    assert after.target.payload.text == "hi"
    assert after.target.content_type == "text/plain; charset=utf-8"
    assert after.retry_policy.max_retry_count == 3
    assert not after.HasField("catch_up_window")


@pytest.mark.parametrize(
    "path", ["target.payload", "target.payload.json.a.b", "target.payload.text"]
)
async def test_the_payload_is_one_value(api: ApiUnderTest, path: str) -> None:
    await make(api)
    job = job_pb2.Job()
    job.target.payload.text = "hi"
    job.target.topic = "ignored"

    after = await update(api, job, path)

    assert after.target.payload.text == "hi"
    assert after.target.topic == "billing"
    assert after.target.content_type == "text/plain; charset=utf-8"


async def test_a_payload_can_be_taken_away(api: ApiUnderTest) -> None:
    await make(api)

    after = await update(api, job_pb2.Job(), "target.payload")

    assert not after.target.HasField("payload")
    assert (await api.stored(after.name)).payload.data == b""


@pytest.mark.parametrize(
    "path",
    [
        "nothing", "target.nothing", "target.payload.nothing", "labels.team", "schedule.at.seconds",
        "description.x", "", "uid", "state", "create_time", "createTime", "pause_reason",
        "next_run_times", "recent_runs", "update_time", "schedule..cron",
    ],
)  # fmt: skip
async def test_a_wrong_path_is_refused(api: ApiUnderTest, path: str) -> None:
    before = await make(api)
    job = job_pb2.Job(
        description="new", state=job_pb2.JOB_STATE_PAUSED, pause_reason="no", uid="mine"
    )
    job.next_run_times.add(seconds=1)

    refusal = await refused(update(api, job, "description", path))

    assert refusal.summary == ("INVALID_ARGUMENT", "FIELD_MASK_INVALID", ["updateMask"])
    assert (await api.stored(before.name)).version == 1


async def test_a_star_stands_alone(api: ApiUnderTest) -> None:
    await make(api)

    refusal = await refused(update(api, api.at(), "*", "description"))

    assert refusal.reason == "FIELD_MASK_INVALID"


async def test_output_only_fields_as_they_are_may_be_named(api: ApiUnderTest) -> None:
    """Over REST the mask names whatever is in the body, also of a job that was read before."""
    await make(api)
    await api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name="users/7/jobs/a", reason="why"))
    # Its next_run_times and recent_runs are empty lists, which JSON shows all the same.
    before = await api.jobs.GetJob(job_service_pb2.GetJobRequest(name="users/7/jobs/a"))
    before.description = "new"

    after = await update(
        api,
        before,
        "name", "etag", "uid", "state", "pause_reason", "create_time", "update_time",
        "next_run_times", "recent_runs", "description",
        etag=before.etag,
    )  # fmt: skip

    assert after.description == "new"


async def test_a_wrong_etag_is_refused(api: ApiUnderTest) -> None:
    before = await make(api)
    await update(api, job_pb2.Job(description="first"), etag=before.etag)

    refusal = await refused(update(api, job_pb2.Job(description="second"), etag=before.etag))

    assert refusal.summary == ("ABORTED", "ETAG_MISMATCH", [])
    assert (await api.stored(before.name)).spec.description == "first"


async def test_what_does_not_touch_the_schedule_leaves_it(api: ApiUnderTest) -> None:
    before = await make(api)
    job = job_pb2.Job(description="new")
    job.schedule.cron = "30 2 * * *"
    job.schedule.time_zone = "Europe/Berlin"
    job.schedule.dst_gap = schedule_pb2.DST_GAP_NEXT_VALID

    after = await update(api, job, "schedule", "description")

    stored = await api.stored(before.name)
    assert (stored.version, stored.generation) == (2, 1)
    assert stored.schedule_from_ms == before.create_time.ToMilliseconds()
    assert after.next_run_times == before.next_run_times


async def test_a_changed_schedule_begins_anew(api: ApiUnderTest) -> None:
    await make(api)
    api.clock.advance(1_000)
    job = job_pb2.Job()
    job.schedule.every.seconds = 60

    after = await update(api, job, "schedule")

    stored = await api.stored(after.name)
    now_ms = api.clock.now_ms()
    assert (stored.version, stored.generation) == (2, 2)
    assert stored.schedule_from_ms > now_ms
    # Still counted from the creation.
    first_ms = now_ms + 59_000
    assert after.next_run_times[0].ToMilliseconds() == first_ms
    due = await api.store.schedule.read_due([stored.segment], first_ms, first_ms + 1)
    (entry,) = [entry for entry in due if entry.generation == 2]
    assert entry.ordinal == KEEP_ORDINAL
    (inbox,) = await api.store.schedule.read_inbox([stored.segment], 0)
    assert (inbox.version, inbox.entry) == (2, entry)


async def counted_job(api: ApiUnderTest) -> tuple[job_pb2.Job, Job]:
    """One that runs each hour, four times."""
    job = api.at()
    job.schedule.every.seconds = 3600
    job.schedule.anchor.FromMilliseconds(api.clock.now_ms() + 60_000)
    job.schedule.max_runs = 4
    made = await api.create(job, "a")
    return made, await api.stored(made.name)


async def test_the_count_towards_max_runs_is_kept(api: ApiUnderTest) -> None:
    made, stored = await counted_job(api)
    (entry,) = await api.store.schedule.read_due(
        [stored.segment], api.clock.now_ms(), api.clock.now_ms() + 86_400_000
    )
    # Two occurrences have come and gone.
    api.clock.advance(2 * 3_600_000)
    await api.owners.advance(stored, entry, ordinal=2)
    read = await api.jobs.GetJob(job_service_pb2.GetJobRequest(name=made.name))
    assert len(read.next_run_times) == 2
    change = job_pb2.Job()
    change.schedule.every.seconds = 7200

    after = await update(api, change, "schedule.every")

    due = await api.store.schedule.read_due(
        [stored.segment], api.clock.now_ms(), api.clock.now_ms() + 86_400_000
    )
    assert [entry.ordinal for entry in due if entry.generation == 2] == [2]
    assert len(after.next_run_times) == 2


@pytest.mark.parametrize("schedule_s", [0, 1])
async def test_a_count_that_may_be_another_one_by_now_is_left_to_the_owner(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch, schedule_s: int
) -> None:
    """While its api stood still occurrences came due, or others gave the job another schedule."""
    _, stored = await counted_job(api)
    read_due = api.store.schedule.read_due

    async def slow(segments: Sequence[int], start_ms: int, end_ms: int) -> Sequence[ScheduleEntry]:
        monkeypatch.setattr(api.store.schedule, "read_due", read_due)
        found = await read_due(segments, start_ms, end_ms)
        assert [entry.ordinal for entry in found] == [0]
        if schedule_s:
            other = job_pb2.Job()
            other.schedule.every.seconds = schedule_s
            await update(api, other, "schedule.every")
        else:
            api.clock.advance(INBOX_HORIZON_MS)
        return found

    monkeypatch.setattr(api.store.schedule, "read_due", slow)
    change = job_pb2.Job()
    change.schedule.every.seconds = 7200
    await update(api, change, "schedule.every")

    due = await read_due([stored.segment], api.clock.now_ms(), api.clock.now_ms() + 86_400_000)
    generation = max(entry.generation for entry in due)
    assert generation == 2 + bool(schedule_s)
    assert {entry.ordinal for entry in due if entry.generation == generation} == {KEEP_ORDINAL}


async def test_a_leaf_of_the_schedule(api: ApiUnderTest) -> None:
    await make(api)
    job = job_pb2.Job()
    job.schedule.cron = "45 2 * * *"

    after = await update(api, job)

    assert after.schedule.cron == "45 2 * * *"
    assert after.schedule.time_zone == "Europe/Berlin"


async def test_the_form_can_change(api: ApiUnderTest) -> None:
    await make(api)

    after = await update(api, api.at(5_000), "schedule.at")

    assert after.schedule.WhichOneof("form") == "at"


async def test_a_wrong_schedule_changes_nothing(api: ApiUnderTest) -> None:
    before = await make(api)
    job = job_pb2.Job(description="new")
    job.schedule.cron = "x"

    refusal = await refused(update(api, job, "description", "schedule.cron"))
    missing = await refused(update(api, job_pb2.Job(), "schedule"))

    assert refusal.summary == ("INVALID_ARGUMENT", "CRON_INVALID", ["job.schedule.cron"])
    assert missing.summary == ("INVALID_ARGUMENT", "SCHEDULE_MISSING", ["job.schedule"])
    assert (await api.stored(before.name)).version == 1


async def test_the_merged_job_has_to_be_right(api: ApiUnderTest) -> None:
    await make(api)

    assert (await refused(update(api, job_pb2.Job(), "target"))).fields == ["job.target"]
    assert (await refused(update(api, job_pb2.Job(), "target.topic"))).fields == [
        "job.target.topic"
    ]


async def test_a_completed_job_runs_again_with_a_new_schedule(api: ApiUnderTest) -> None:
    made = await api.create(api.at(1_000), "a")
    await api.owners.complete(await api.stored(made.name))
    done = await api.jobs.GetJob(job_service_pb2.GetJobRequest(name=made.name))
    assert done.state == job_pb2.JOB_STATE_COMPLETED
    assert not done.next_run_times

    described = await update(api, job_pb2.Job(description="x"))
    assert described.state == job_pb2.JOB_STATE_COMPLETED
    after = await update(api, api.at(60_000), "schedule")

    assert after.state == job_pb2.JOB_STATE_ACTIVE
    assert len(after.next_run_times) == 1


async def test_it_is_answered_once_it_is_confirmed(api: ApiUnderTest) -> None:
    await make(api)

    after = await update(api, job_pb2.Job(description="new"))

    (confirmed,) = api.owners.confirmed
    assert confirmed.etag == after.etag


async def test_an_unconfirmed_change_stands_and_can_be_repeated(api: ApiUnderTest) -> None:
    before = await make(api)
    api.owners.failure = ChangeUnconfirmed("not yet")

    refusal = await refused(update(api, job_pb2.Job(description="new")))
    assert refusal.summary == ("DEADLINE_EXCEEDED", "CHANGE_UNCONFIRMED", [])
    assert (await api.stored(before.name)).spec.description == "new"

    api.owners.failure = None
    await update(api, job_pb2.Job(description="new"))
    assert (await api.stored(before.name)).version == 2
    assert len(api.owners.confirmed) == 1


async def test_each_version_is_kept_with_who_and_why(api: ApiUnderTest) -> None:
    before = await make(api)
    await update(api, job_pb2.Job(description="new"))

    stored = await api.stored(before.name)
    (record,) = await api.store.jobs.history(stored.key)
    assert record.job.spec.description == "old"
    assert record.actor.startswith("127.0.0.1")
    assert record.reason
