"""PreviewSchedule."""

from api.harness import ApiUnderTest, refused
from tickwheel.v1 import job_service_pb2


def wanted(start: str = "2026-11-23T00:00:00Z") -> job_service_pb2.PreviewScheduleRequest:
    request = job_service_pb2.PreviewScheduleRequest()
    request.start_time.FromJsonString(start)
    return request


async def preview(
    api: ApiUnderTest, request: job_service_pb2.PreviewScheduleRequest
) -> tuple[list[str], list[str]]:
    response = await api.jobs.PreviewSchedule(request)
    return [at.ToJsonString() for at in response.times], list(response.notes)


async def test_occurrences_are_strictly_after_the_start(api: ApiUnderTest) -> None:
    request = wanted()
    request.schedule.cron = "0 */12 * * *"
    request.count = 3

    times, _ = await preview(api, request)

    assert times == ["2026-11-23T12:00:00Z", "2026-11-24T00:00:00Z", "2026-11-24T12:00:00Z"]


async def test_a_start_finer_than_a_millisecond_leaves_nothing_out(api: ApiUnderTest) -> None:
    request = wanted("2026-11-23T11:59:59.999999Z")
    request.schedule.cron = "0 */12 * * *"
    request.count = 1

    assert (await preview(api, request))[0] == ["2026-11-23T12:00:00Z"]


async def test_ten_from_now_by_default(api: ApiUnderTest) -> None:
    request = job_service_pb2.PreviewScheduleRequest()
    request.schedule.every.seconds = 60

    response = await api.jobs.PreviewSchedule(request)

    assert len(response.times) == 10
    assert response.times[0].ToMilliseconds() == api.clock.now_ms() + 60_000
    assert response.description


async def test_every_is_counted_from_the_start(api: ApiUnderTest) -> None:
    request = wanted("2026-11-23T00:00:07Z")
    request.schedule.every.seconds = 10
    request.count = 1

    assert (await preview(api, request))[0] == ["2026-11-23T00:00:17Z"]


async def test_a_change_of_the_clock_is_noted(api: ApiUnderTest) -> None:
    request = wanted("2026-03-28T12:00:00Z")
    request.schedule.cron = "30 2 * * *"
    request.schedule.time_zone = "Europe/Berlin"
    request.count = 2

    times, notes = await preview(api, request)

    assert times == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    assert notes


async def test_fewer_where_the_schedule_ends(api: ApiUnderTest) -> None:
    request = wanted()
    request.schedule.every.seconds = 60
    request.schedule.max_runs = 4

    assert len((await preview(api, request))[0]) == 4
    request.schedule.end_time.FromJsonString("2026-11-23T00:02:00Z")
    assert (await preview(api, request))[0] == ["2026-11-23T00:01:00Z"]


async def test_a_schedule_that_never_fires_says_so(api: ApiUnderTest) -> None:
    never, past = wanted(), wanted()
    never.schedule.cron = "0 0 30 2 *"
    past.schedule.at.FromJsonString("2020-01-01T00:00:00Z")

    for request in (never, past):
        times, notes = await preview(api, request)
        assert times == []
        assert notes


async def test_what_is_wrong_is_refused(api: ApiUnderTest) -> None:
    cron, none, empty, many, early = wanted(), wanted(), wanted(), wanted(), wanted()
    cron.schedule.cron = "0 25 * * *"
    empty.schedule.time_zone = "UTC"
    many.schedule.cron = "* * * * *"
    many.count = 1001
    early.schedule.cron = "* * * * *"
    early.start_time.seconds = -62_135_596_800

    for request, reason, field in (
        (cron, "CRON_INVALID", "schedule.cron"),
        (none, "SCHEDULE_MISSING", "schedule"),
        (empty, "SCHEDULE_MISSING", "schedule"),
        (many, "FIELD_INVALID", "count"),
        (early, "FIELD_INVALID", "startTime"),
    ):
        refusal = await refused(api.jobs.PreviewSchedule(request))
        assert refusal.summary == ("INVALID_ARGUMENT", reason, [field])
