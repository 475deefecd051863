"""RunJob and GetRun."""

import re

from api.harness import ApiUnderTest, refused
from tickwheel.server.domain.errors import SegmentUnowned
from tickwheel.server.domain.job import PayloadKind
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import RunState
from tickwheel.v1 import job_pb2, job_service_pb2, run_pb2, target_pb2

NAME = "users/7/jobs/a"


async def make(api: ApiUnderTest) -> job_pb2.Job:
    job = api.at()
    job.target.payload.json.struct_value.update({"report": "daily"})
    return await api.create(job, "a")


async def run(
    api: ApiUnderTest, request_id: str = "", payload: target_pb2.Payload | None = None
) -> run_pb2.Run:
    return await api.jobs.RunJob(
        job_service_pb2.RunJobRequest(name=NAME, request_id=request_id, payload=payload)
    )


async def test_the_run_is_named_after_the_instant(api: ApiUnderTest) -> None:
    await make(api)

    made = await run(api)

    assert re.fullmatch(rf"{NAME}/runs/\d{{8}}T\d{{9}}Z-m-[a-z2-7]{{8}}", made.name)
    assert made.trigger == run_pb2.TRIGGER_MANUAL
    assert made.schedule_time.ToMilliseconds() == api.clock.now_ms()
    read = await api.jobs.GetRun(job_service_pb2.GetRunRequest(name=made.name))
    assert read == made


async def test_two_runs_in_one_instant_are_two(api: ApiUnderTest) -> None:
    await make(api)

    assert (await run(api)).name != (await run(api)).name


async def test_the_same_request_twice_is_one_run(api: ApiUnderTest) -> None:
    await make(api)

    first = await run(api, "r1")
    api.clock.advance(60_000)
    second = await run(api, "r1")
    other = await run(api, "r2")

    assert second == first
    assert other.name != first.name
    assert len(api.owners.triggered) == 2


async def test_a_request_that_is_repeated_after_a_failure_asks_for_the_same_run(
    api: ApiUnderTest,
) -> None:
    """Its owner may have begun with it, and can only tell by the run's id."""
    await make(api)
    asked_ms = api.clock.now_ms()
    api.owners.failure = SegmentUnowned("no answer")
    await refused(run(api, "r1"))
    api.owners.failure = None
    api.clock.advance(60_000)

    made = await run(api, "r1")

    assert made.schedule_time.ToMilliseconds() == asked_ms
    assert made.name.startswith(f"{NAME}/runs/{instant_id(asked_ms)}-m-")


async def test_a_paused_and_a_completed_job_are_run(api: ApiUnderTest) -> None:
    await make(api)
    await api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=NAME))
    await run(api)
    await api.owners.complete(await api.stored(NAME))
    await run(api)

    assert len(api.owners.triggered) == 2


async def test_the_payload_may_be_another(api: ApiUnderTest) -> None:
    await make(api)

    await run(api, payload=target_pb2.Payload(text="hi"))
    await run(api)
    same_kind = target_pb2.Payload()
    same_kind.json.number_value = 1
    await run(api, payload=same_kind)

    text, own, number = api.owners.triggered
    assert text.payload is not None
    assert (text.payload.kind, text.payload.data) == (PayloadKind.TEXT, b"hi")
    assert text.content_type == "text/plain; charset=utf-8"
    assert own.payload is None
    assert number.payload is not None
    assert number.payload.data == b"1"
    # As the job says, whatever it says.
    assert number.content_type == ""


async def test_a_large_payload_is_refused(api: ApiUnderTest) -> None:
    await make(api)

    refusal = await refused(run(api, payload=target_pb2.Payload(data=b"x" * 262_145)))

    assert refusal.summary == ("INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", ["payload"])
    assert not api.owners.triggered


async def test_the_owner_is_told_by_which_call_a_run_is_asked_for(api: ApiUnderTest) -> None:
    await make(api)
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    await api.jobs.RunJob(
        job_service_pb2.RunJobRequest(name=NAME),
        metadata=(("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),),
    )
    await run(api)

    traced, fresh = (request.traceparent for request in api.owners.triggered)
    # The span of the call itself, and not of its caller.
    assert traced[3:35] == trace_id
    assert traced[36:52] != "00f067aa0ba902b7"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", fresh)
    assert fresh[3:35] != trace_id


async def test_without_an_owner_the_caller_may_come_back(api: ApiUnderTest) -> None:
    await make(api)
    api.owners.failure = SegmentUnowned("nobody owns segment 3")

    refusal = await refused(run(api))

    assert refusal.summary == ("UNAVAILABLE", "SEGMENT_UNOWNED", [])
    assert refusal.retry.retry_delay.ToMilliseconds() > 0


async def test_get_job_shows_the_last_runs(api: ApiUnderTest) -> None:
    await make(api)
    names: list[str] = []
    for _ in range(6):
        names.append((await run(api)).name)
        api.clock.advance(1_000)

    job = await api.jobs.GetJob(job_service_pb2.GetJobRequest(name=NAME))

    assert [recent.name for recent in job.recent_runs] == names[:0:-1]
    assert not job.recent_runs[0].attempts


async def test_a_run_of_a_deleted_job_stays_readable(api: ApiUnderTest) -> None:
    await make(api)
    made = await run(api)
    await api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=NAME))
    again = await make(api)

    read = await api.jobs.GetRun(job_service_pb2.GetRunRequest(name=made.name))

    assert read.job_uid == made.job_uid != again.uid


async def test_what_a_run_says(api: ApiUnderTest) -> None:
    await make(api)
    job = await api.stored(NAME)
    now_ms = api.clock.now_ms()
    failed = api.owners.run_of(
        job, now_ms, run_id="20261123T120000000Z", state=RunState.FAILED, error="too large"
    )
    await api.owners.record([failed])

    read = await api.jobs.GetRun(
        job_service_pb2.GetRunRequest(name=f"{NAME}/runs/20261123T120000000Z")
    )

    assert read.state == run_pb2.RUN_STATE_FAILED
    assert read.error.message == "too large"
    assert read.attempt == 1
    assert read.attempts[0].error.message == "too large"
    assert not read.HasField("offset")
    assert not read.HasField("publish_time")


async def test_a_request_id_with_other_content_is_refused(api: ApiUnderTest) -> None:
    made = await api.create(api.at(), "a")
    request = job_service_pb2.RunJobRequest(name=made.name, request_id="r")
    request.payload.text = "one"
    first = await api.jobs.RunJob(request)

    assert (await api.jobs.RunJob(request)).name == first.name
    request.payload.text = "two"
    assert (await refused(api.jobs.RunJob(request))).summary == (
        "ALREADY_EXISTS",
        "REQUEST_ID_REUSED",
        [],
    )
