"""Runs as records and back, whatever is in them."""

import dataclasses
import typing

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from scheduler.making import NOW, make_job
from tickwheel.internal.v1 import storage_pb2
from tickwheel.server.domain.run import Limit, PastAttempt, Run, RunState, Trigger
from tickwheel.server.store.codec import decode_job, decode_run, encode_job, encode_run

#: Number of `retention_ms`.
LAST_OF_THE_FIRST_RELEASE = 27

_INT32 = st.integers(0, (1 << 31) - 1)
_BY_NAME: dict[str, st.SearchStrategy[object]] = {
    "partition": st.integers(-1, (1 << 31) - 2),
    "offset": st.integers(-1, (1 << 63) - 2),
    "epoch": st.integers(0, (1 << 63) - 1),
    "fence": st.integers(0, (1 << 63) - 1),
}
_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    str: st.text(st.characters(exclude_categories=["Cs"])),
    bytes: st.binary(),
    bool: st.booleans(),
    float: st.floats(0, 1),
    RunState: st.sampled_from(RunState),
    Trigger: st.sampled_from(Trigger),
    Limit: st.sampled_from(Limit),
}


def values(kind: type[object]) -> dict[str, st.SearchStrategy[object]]:
    """For every field of a dataclass, also of one that is added later, what it may hold."""
    hints = typing.get_type_hints(kind)
    found: dict[str, st.SearchStrategy[object]] = {}
    for field in dataclasses.fields(kind):  # pyright: ignore[reportArgumentType]
        hint = hints[field.name]
        if field.name in _BY_NAME:
            found[field.name] = _BY_NAME[field.name]
        elif hint is int:
            wide = field.name.endswith("_ms")
            found[field.name] = st.integers(0, (1 << 63) - 1) if wide else _INT32
        elif hint == tuple[PastAttempt, ...]:
            found[field.name] = st.lists(_ATTEMPTS, max_size=5).map(tuple)
        else:
            found[field.name] = _BY_TYPE[hint]
    return found


_ATTEMPTS = st.builds(PastAttempt, **values(PastAttempt))
_RUNS = st.builds(Run, **values(Run))


@given(_RUNS)
def test_run_goes_and_comes_back(run: Run) -> None:
    assert decode_run(encode_run(run)) == run


def test_run_of_an_earlier_release_has_the_defaults() -> None:
    """Its record has none of the fields that came later."""
    run = Run(
        user="ann",
        job_id="report",
        job_uid="018f2f6e-7c1a-7000-8000-000000000001",
        run_id="20261123T120000000Z",
        segment=1,
        state=RunState.PUBLISHED,
        trigger=Trigger.SCHEDULE,
        schedule_ms=5,
        due_ms=5,
        update_ms=6,
    )
    record = storage_pb2.RunRecord.FromString(encode_run(run))
    present = {field.number for field, _ in record.ListFields()}
    assert max(present) <= LAST_OF_THE_FIRST_RELEASE
    assert decode_run(record.SerializeToString()) == run


@pytest.mark.parametrize("data", [b"\xff", b"\x08"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_run(data)


def test_jobs_that_are_alike_share_their_spec() -> None:
    one, two, other = make_job(at_ms=NOW), make_job(at_ms=NOW), make_job(at_ms=NOW + 1)
    read = [decode_job(encode_job(each)) for each in (one, two, other)]
    assert read == [one, two, other]
    assert read[0].spec is read[1].spec
