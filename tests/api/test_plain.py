"""The quick check says yes only where the contract's rules do."""

import protovalidate
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwheel.server.api.plain import is_plain
from tickwheel.v1 import job_pb2, job_service_pb2

_VALIDATOR = protovalidate.Validator()
_IDS = st.text("aB0.-_/ \n", max_size=6) | st.text("ab", min_size=62, max_size=65)
_TEXTS = st.text(max_size=8) | st.just("x" * 1025) | st.just("ä" * 700)


@st.composite
def jobs(draw: st.DrawFn) -> job_pb2.Job:
    job = job_pb2.Job()
    if draw(st.booleans()):
        job.schedule.at.seconds = draw(st.integers(-(10**12), 10**12))
    elif draw(st.booleans()):
        job.schedule.cron = draw(_TEXTS)
    if draw(st.booleans()):
        job.schedule.time_zone = draw(_TEXTS)
    if draw(st.booleans()):
        job.schedule.max_runs = draw(st.integers(-2, 2))
    job.target.topic = draw(_IDS | st.sampled_from([".", "..", "t" * 249, "t" * 250]))
    job.target.key = draw(_TEXTS)
    if draw(st.booleans()):
        job.target.headers[draw(_IDS)] = draw(_TEXTS)
    if draw(st.booleans()):
        job.target.payload.data = draw(st.binary(max_size=8))
    if draw(st.booleans()):
        job.description = draw(_TEXTS)
    if draw(st.booleans()):
        job.priority = draw(st.integers(-1, 10))
    if draw(st.booleans()):
        job.labels[draw(_IDS)] = draw(_TEXTS)
    if draw(st.booleans()):
        job.name = draw(_IDS)
    return job


@st.composite
def requests(draw: st.DrawFn) -> job_service_pb2.CreateJobRequest:
    return job_service_pb2.CreateJobRequest(
        parent=draw(st.sampled_from(["users/7", "users/-", "", "users/7\n"]) | _IDS),
        job=draw(st.none() | jobs()),
        job_id=draw(_IDS),
        request_id=draw(st.text(max_size=3) | st.just("r" * 129)),
        validate_only=draw(st.booleans()),
    )


@settings(max_examples=400)
@given(requests())
def test_plain_requests_obey_the_rules(request: job_service_pb2.CreateJobRequest) -> None:
    if is_plain(request):
        assert _VALIDATOR.collect_violations(request) == []


def test_an_ordinary_request_is_plain() -> None:
    job = job_pb2.Job()
    job.schedule.at.seconds = 1_900_000_000
    job.target.topic = "billing"
    job.target.payload.data = b"x"

    assert is_plain(
        job_service_pb2.CreateJobRequest(
            parent="users/7", job=job, job_id="nightly-1", request_id="r"
        )
    )
