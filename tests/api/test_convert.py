"""Payloads, schedules and trace contexts as they are translated."""

import json
import math

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from tickwheel.server.convert.job import bare_spec, clear_derived, fill_defaults
from tickwheel.server.convert.payload import NotJson, payload_of, put_payload
from tickwheel.server.convert.schedule import plain_at_ms, schedule_spec
from tickwheel.server.domain.job import PayloadKind
from tickwheel.server.schedule import DstGap, DstOverlap, ScheduleError
from tickwheel.server.trace import child, current_traceparent, enter
from tickwheel.v1 import job_pb2, schedule_pb2, target_pb2

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)


@given(_JSON)
def test_json_goes_and_comes_back(plain: object) -> None:
    message = target_pb2.Payload()
    json_format.ParseDict(plain, message.json)  # pyright: ignore

    payload = payload_of(message)
    again = target_pb2.Payload()
    put_payload(payload, again)

    assert json.loads(payload.data) == plain
    assert payload_of(again) == payload
    assert b"\n" not in payload.data


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.1, "0.1"),
        (2.0**53, "9007199254740992"),
        (-1e300, "-1e+300"),
    ],
)
def test_numbers_are_written_as_ecmascript_does(number: float, text: str) -> None:
    message = target_pb2.Payload(json=struct_pb2.Value(number_value=number))

    assert payload_of(message).data.decode() == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not(number: float) -> None:
    with pytest.raises(NotJson):
        payload_of(target_pb2.Payload(json=struct_pb2.Value(number_value=number)))


def test_the_schedule_in_full() -> None:
    message = schedule_pb2.Schedule(
        time_zone="Europe/Berlin",
        max_runs=3,
        excludes=["2026-12-25"],
        dst_gap=schedule_pb2.DST_GAP_SKIP,
        dst_overlap=schedule_pb2.DST_OVERLAP_BOTH,
    )
    inner = message.any_of.schedules.add(cron="@daily")
    message.start_time.FromMilliseconds(1_000)
    message.end_time.FromMilliseconds(2_000)
    message.anchor.FromMilliseconds(3_000)
    message.jitter.FromNanoseconds(1_500_001)

    spec = schedule_spec(message)

    assert spec.any_of is not None
    assert (spec.any_of[0].cron, spec.any_of[0].time_zone) == (inner.cron, "")
    assert (spec.start_ms, spec.end_ms, spec.anchor_ms) == (1_000, 2_000, 3_000)
    assert (spec.max_runs, spec.jitter_ms, spec.excludes) == (3, 2, ("2026-12-25",))
    assert (spec.dst_gap, spec.dst_overlap) == (DstGap.SKIP, DstOverlap.BOTH)
    assert spec.time_zone == "Europe/Berlin"


def test_what_is_finer_than_a_millisecond_is_rounded_up() -> None:
    message = schedule_pb2.Schedule()
    message.at.seconds = 10
    message.at.nanos = 1

    assert plain_at_ms(message) == schedule_spec(message).at_ms == 10_001


def test_an_instant_inside_a_union_is_named_by_its_path() -> None:
    message = schedule_pb2.Schedule()
    message.any_of.schedules.add(cron="@daily")
    message.any_of.schedules.add().at.seconds = 10**15

    with pytest.raises(ScheduleError) as caught:
        schedule_spec(message)

    assert caught.value.field == "anyOf.schedules[1].at"


def test_defaults_are_filled_in_once() -> None:
    spec = job_pb2.Job()
    spec.schedule.cron = "@daily"
    spec.target.topic = "t"
    fill_defaults(spec, PayloadKind.JSON)
    full = job_pb2.Job()
    full.CopyFrom(spec)

    clear_derived(spec, PayloadKind.JSON)
    assert spec != full
    fill_defaults(spec, PayloadKind.JSON)

    assert spec == full


def test_a_spec_keeps_nothing_of_the_payload() -> None:
    job = job_pb2.Job(name="x", etag="y", uid="z", description="d")
    job.target.payload.data = b"x" * 1000

    spec = bare_spec(job)

    assert spec == job_pb2.Job(description="d", target=target_pb2.Target())


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_trace_goes_on_with_a_new_span() -> None:
    mine = enter(f"00-{TRACE}-00f067aa0ba902b7-00")

    assert current_traceparent() == mine
    assert mine.startswith(f"00-{TRACE}-")
    assert mine.endswith("-00")
    assert "00f067aa0ba902b7" not in mine
    assert child()[:36] == mine[:36]
    assert child() != mine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        f"00-{TRACE}-00f067aa0ba902b7",
        f"00-{TRACE}-0000000000000000-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
    ],
)
def test_what_is_no_traceparent_begins_a_trace(text: str) -> None:
    made = child(text)

    assert len(made) == 55
    assert TRACE not in made


def test_later_versions_may_have_more_parts() -> None:
    assert child(f"01-{TRACE}-00f067aa0ba902b7-01-more").startswith(f"00-{TRACE}-")
