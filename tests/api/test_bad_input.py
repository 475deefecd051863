"""What is refused: with which code and reason, and which field it names. Nothing is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import field_mask_pb2, struct_pb2
from google.protobuf.message import Message

from api.harness import PARENT, ApiUnderTest, refused
from tickwheel.v1 import job_pb2, job_service_pb2, target_pb2

Mutation = Callable[[job_pb2.Job], None]


def no_schedule(job: job_pb2.Job) -> None:
    job.ClearField("schedule")


def no_form(job: job_pb2.Job) -> None:
    job.schedule.Clear()
    job.schedule.time_zone = "Europe/Berlin"


def bad_cron(job: job_pb2.Job) -> None:
    job.schedule.cron = "61 2 * * *"


def empty_cron(job: job_pb2.Job) -> None:
    job.schedule.cron = ""


def unknown_zone(job: job_pb2.Job) -> None:
    job.schedule.cron = "30 2 * * *"
    job.schedule.time_zone = "Europe/Atlantis"


def short_period(job: job_pb2.Job) -> None:
    job.schedule.every.nanos = 500_000_000


def never_fires(job: job_pb2.Job) -> None:
    job.schedule.cron = "0 0 30 2 *"


def ended(job: job_pb2.Job) -> None:
    job.schedule.cron = "* * * * *"
    job.schedule.end_time.seconds = 1_700_000_000


def year_zero(job: job_pb2.Job) -> None:
    job.schedule.at.seconds = -62_135_596_800


def far_future(job: job_pb2.Job) -> None:
    job.schedule.at.seconds = 10**15


def no_target(job: job_pb2.Job) -> None:
    job.ClearField("target")


def no_topic(job: job_pb2.Job) -> None:
    job.target.topic = ""
    job.target.key = "k"


def bad_topic(job: job_pb2.Job) -> None:
    job.target.topic = "no blanks please"


def long_topic(job: job_pb2.Job) -> None:
    job.target.topic = "t" * 247


def own_header(job: job_pb2.Job) -> None:
    job.target.headers["CE_id"] = "x"


def trace_header(job: job_pb2.Job) -> None:
    job.target.headers["traceparent"] = "x"


def large_payload(job: job_pb2.Job) -> None:
    job.target.payload.data = b"x" * (256 * 1024 + 1)


def not_a_number(job: job_pb2.Job) -> None:
    job.target.payload.json.list_value.values.add().number_value = float("nan")


def kindless(job: job_pb2.Job) -> None:
    job.target.payload.json.struct_value.fields["a"].SetInParent()


def high_priority(job: job_pb2.Job) -> None:
    job.priority = 10


def no_time(job: job_pb2.Job) -> None:
    job.run_timeout.seconds = 0


def many_retries(job: job_pb2.Job) -> None:
    job.retry_policy.max_retry_count = 101


def endless_patience(job: job_pb2.Job) -> None:
    job.pause_after_failures = 1_001


def much_behind_the_point(job: job_pb2.Job) -> None:
    job.schedule.every.seconds = 60
    job.schedule.every.nanos = 2_000_000_000


def two_signs(job: job_pb2.Job) -> None:
    job.retry_policy.max_backoff.seconds = 60
    job.retry_policy.max_backoff.nanos = -1


def longer_than_durations_are(job: job_pb2.Job) -> None:
    member = job.schedule.any_of.schedules.add()
    member.every.seconds = 315_576_000_001


def year_ten_thousand(job: job_pb2.Job) -> None:
    job.schedule.at.seconds = 253_402_300_799
    job.schedule.at.nanos = 999_999_999


def bad_label(job: job_pb2.Job) -> None:
    job.labels["-team"] = "x"


CASES: list[tuple[Mutation, str, str]] = [
    (no_schedule, "SCHEDULE_MISSING", "job.schedule"),
    (no_form, "SCHEDULE_MISSING", "job.schedule"),
    (bad_cron, "CRON_INVALID", "job.schedule.cron"),
    (empty_cron, "CRON_INVALID", "job.schedule.cron"),
    (unknown_zone, "TIME_ZONE_UNKNOWN", "job.schedule.timeZone"),
    (short_period, "PERIOD_TOO_SHORT", "job.schedule.every"),
    (never_fires, "SCHEDULE_INVALID", "job.schedule"),
    (ended, "SCHEDULE_INVALID", "job.schedule"),
    (year_zero, "SCHEDULE_INVALID", "job.schedule.at"),
    (far_future, "SCHEDULE_INVALID", "job.schedule.at"),
    (no_target, "FIELD_REQUIRED", "job.target"),
    (no_topic, "FIELD_REQUIRED", "job.target.topic"),
    (bad_topic, "FIELD_INVALID", "job.target.topic"),
    (long_topic, "FIELD_REQUIRED", "job.target.deadLetterTopic"),
    (own_header, "FIELD_INVALID", 'job.target.headers["CE_id"]'),
    (trace_header, "FIELD_INVALID", 'job.target.headers["traceparent"]'),
    (large_payload, "PAYLOAD_TOO_LARGE", "job.target.payload"),
    (not_a_number, "FIELD_INVALID", "job.target.payload.json"),
    (kindless, "FIELD_INVALID", "job.target.payload.json"),
    (high_priority, "FIELD_INVALID", "job.priority"),
    (no_time, "FIELD_INVALID", "job.runTimeout"),
    (many_retries, "FIELD_INVALID", "job.retryPolicy.maxRetryCount"),
    (endless_patience, "FIELD_INVALID", "job.pauseAfterFailures"),
    (much_behind_the_point, "FIELD_INVALID", "job.schedule.every"),
    (two_signs, "FIELD_INVALID", "job.retryPolicy.maxBackoff"),
    (longer_than_durations_are, "FIELD_INVALID", "job.schedule.anyOf.schedules[0].every"),
    (year_ten_thousand, "SCHEDULE_INVALID", "job.schedule"),
    (bad_label, "FIELD_INVALID", 'job.labels["-team"]'),
]


@pytest.mark.parametrize(
    ("mutate", "reason", "field"), CASES, ids=[case[0].__name__ for case in CASES]
)
async def test_a_wrong_job_is_refused(
    api: ApiUnderTest, mutate: Mutation, reason: str, field: str
) -> None:
    job = api.at()
    mutate(job)

    refusal = await refused(api.create(job, "wrong"))

    assert refusal.summary == ("INVALID_ARGUMENT", reason, [field])
    assert refusal.info.domain == "tickwheel.dev"
    assert refusal.bad.field_violations[0].reason == reason
    assert field in refusal.message
    assert await api.count() == 0


async def test_the_cron_error_says_which_part_and_why(api: ApiUnderTest) -> None:
    job = api.at()
    bad_cron(job)

    refusal = await refused(api.create(job))

    assert "61" in refusal.message
    assert "minute" in refusal.message


async def test_the_payload_error_has_the_figures(api: ApiUnderTest) -> None:
    job = api.at()
    large_payload(job)

    refusal = await refused(api.create(job))

    assert dict(refusal.info.metadata) == {"size": "262145", "limit": "262144"}


async def test_every_wrong_field_is_named(api: ApiUnderTest) -> None:
    job = api.at()
    high_priority(job)
    bad_topic(job)
    bad_label(job)

    refusal = await refused(api.create(job))

    assert set(refusal.fields) == {"job.priority", "job.target.topic", 'job.labels["-team"]'}


async def test_a_refusal_of_very_many_fields_still_arrives(api: ApiUnderTest) -> None:
    job = api.at()
    for number in range(64):
        job.labels[f"-{'ä' * 60}{number}"] = "x"

    refusal = await refused(api.create(job))

    assert refusal.reason == "FIELD_INVALID"
    assert 1 < len(refusal.fields) < 64


@pytest.mark.parametrize("job_id", ["Nightly", "-a", "a-", "a" * 64, "a.b", "ä"])
async def test_a_bad_job_id_is_refused(api: ApiUnderTest, job_id: str) -> None:
    refusal = await refused(api.create(api.at(), job_id))

    assert refusal.summary == ("INVALID_ARGUMENT", "INVALID_NAME", ["jobId"])


@pytest.mark.parametrize("parent", ["", "7", "users/", "users/-", "users/7/jobs", "users/a_"])
async def test_a_bad_parent_is_refused(api: ApiUnderTest, parent: str) -> None:
    refusal = await refused(api.create(api.at(), parent=parent))

    assert refusal.summary == ("INVALID_ARGUMENT", "INVALID_NAME", ["parent"])


@pytest.mark.parametrize(
    "name", ["", "nightly", "users/7/jobs/-", "users/7/jobs/N", "users/-/jobs/a"]
)
async def test_a_bad_name_is_refused_everywhere(api: ApiUnderTest, name: str) -> None:
    update = job_service_pb2.UpdateJobRequest(job=job_pb2.Job(name=name or "x"))
    for call, field in (
        (api.jobs.GetJob(job_service_pb2.GetJobRequest(name=name)), "name"),
        (api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=name)), "name"),
        (api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=name)), "name"),
        (api.jobs.ResumeJob(job_service_pb2.ResumeJobRequest(name=name)), "name"),
        (api.jobs.RunJob(job_service_pb2.RunJobRequest(name=name)), "name"),
        (api.jobs.UpdateJob(update), "job.name"),
    ):
        refusal = await refused(call)
        assert refusal.summary == ("INVALID_ARGUMENT", "INVALID_NAME", [field])


async def test_an_unknown_job_is_not_found_everywhere(api: ApiUnderTest) -> None:
    name = f"{PARENT}/jobs/nobody"
    update = job_service_pb2.UpdateJobRequest(
        job=job_pb2.Job(name=name, description="x"),
        update_mask=field_mask_pb2.FieldMask(paths=["description"]),
    )
    for call in (
        api.jobs.GetJob(job_service_pb2.GetJobRequest(name=name)),
        api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=name)),
        api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=name)),
        api.jobs.ResumeJob(job_service_pb2.ResumeJobRequest(name=name)),
        api.jobs.RunJob(job_service_pb2.RunJobRequest(name=name)),
        api.jobs.UpdateJob(update),
    ):
        refusal = await refused(call)
        assert refusal.summary == ("NOT_FOUND", "JOB_NOT_FOUND", [])
        assert refusal.info.metadata["job"] == name


async def test_an_unknown_run_is_not_found(api: ApiUnderTest) -> None:
    name = f"{PARENT}/jobs/nobody/runs/20261123T120000000Z"

    refusal = await refused(api.jobs.GetRun(job_service_pb2.GetRunRequest(name=name)))

    assert refusal.summary == ("NOT_FOUND", "RUN_NOT_FOUND", [])


async def test_an_update_without_a_name_is_refused(api: ApiUnderTest) -> None:
    update = job_service_pb2.UpdateJobRequest(job=job_pb2.Job(description="x"))

    refusal = await refused(api.jobs.UpdateJob(update))

    assert refusal.summary == ("INVALID_ARGUMENT", "FIELD_REQUIRED", ["job.name"])


async def test_two_forms_on_the_wire_are_the_last_one(api: ApiUnderTest) -> None:
    """A oneof keeps one; over JSON two are refused before they come here."""
    job = api.at()
    job.schedule.cron = "30 2 * * *"

    assert (await api.create(job)).schedule.WhichOneof("form") == "cron"


def field_of(kind: type[Message], name: str, data: bytes) -> bytes:
    """A field as it is on the wire: Python itself makes no messages that nobody can read."""
    size, more = divmod(len(data), 128)
    length = bytes([more | 128, size]) if size else bytes([more])
    return bytes([kind.DESCRIPTOR.fields_by_name[name].number << 3 | 2]) + length + data


async def test_json_that_is_nested_too_deeply_is_refused(api: ApiUnderTest) -> None:
    """Protobuf does not read it; it was answered as a defect of the server."""
    value = struct_pb2.Value(string_value="bottom").SerializeToString()
    for _ in range(60):
        value = field_of(struct_pb2.ListValue, "values", value)
        value = field_of(struct_pb2.Value, "list_value", value)
    payload = field_of(target_pb2.Payload, "json", value)
    job = field_of(job_pb2.Job, "target", field_of(target_pb2.Target, "payload", payload))
    create: Any = api.channel.unary_unary("/tickwheel.v1.JobService/CreateJob")  # pyright: ignore

    refusal = await refused(create(field_of(job_service_pb2.CreateJobRequest, "job", job)))

    assert refusal.summary == ("INVALID_ARGUMENT", "MALFORMED_REQUEST", [])
    assert "nested too deeply" in refusal.message


async def test_a_stream_is_not_begun_by_what_is_no_request(api: ApiUnderTest) -> None:
    watch: Any = api.channel.unary_stream("/tickwheel.v1.JobService/WatchRuns")  # pyright: ignore

    refusal = await refused(anext(aiter(watch(b"\xff"))))

    assert refusal.summary == ("INVALID_ARGUMENT", "MALFORMED_REQUEST", [])
