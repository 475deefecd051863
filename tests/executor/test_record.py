"""Reading records: what the worker writes is understood, and anything else is not a run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from executor.records import JOB, UID, attempt_record, delivery_of
from tickwheel.client.executor.record import NotARun, run_record


def test_what_the_worker_writes() -> None:
    record, name = attempt_record(1, attempt=2, fence=7, headers={"x-team": "Zürich"})
    found = run_record(delivery_of(record))
    assert found.name == name == f"{JOB}/runs/20261123T120001000Z"
    assert found.event_id == f"{UID}/20261123T120001000Z/2"
    assert (found.job, found.job_uid, found.attempt, found.fence) == (JOB, UID, 2, 7)
    assert found.schedule_time == datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
    assert found.due_time == datetime(2026, 11, 23, 12, 0, 1, 5_000, tzinfo=UTC)
    assert found.headers["x-team"] == "Zürich"
    assert not found.needs_no_report
    key = found.key()
    assert (key.run, key.job_uid, key.attempt, key.fence) == (name, UID, 2, 7)


def test_a_dead_letter_names_the_attempt_that_failed_and_is_another_event() -> None:
    why = {"tickwheel-dead-letter-run": f"{JOB}/runs/20261123T120001000Z"}
    record, name = attempt_record(1, attempt=4, dead_letter=True, headers=why)
    found = run_record(delivery_of(record))
    assert found.is_dead_letter
    assert found.needs_no_report
    assert (found.name, found.attempt) == (name, 4)
    assert found.event_id == f"{UID}/20261123T120001000Z/4/dead-letter"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_id", None),
        ("ce_id", b"an-id-of-somebody-else"),
        ("ce_id", b"/20261123T120001000Z/1"),
        ("ce_id", b"x" * 37 + b"/20261123T120001000Z/1"),
        ("ce_id", b"uid/20261123T120001Z/1"),
        ("ce_id", b"uid/20261123T120001000Z/2"),
        ("ce_id", b"uid/20261123T120001000Z/1/dead-letter"),
        ("ce_id", b"\xff\xfe"),
        ("ce_source", None),
        ("ce_source", b"https://example.com/orders"),
        ("ce_source", b"users/7/jobs/UPPER"),
        ("ce_attempt", None),
        ("ce_attempt", b"0"),
        ("ce_attempt", b"-1"),
        ("ce_attempt", b"one"),
        ("ce_attempt", "²".encode()),
        ("ce_attempt", b"4294967296"),
        ("ce_fence", None),
        ("ce_fence", b"9" * 5_000),
        ("ce_fence", b"9223372036854775808"),
        ("ce_time", None),
        ("ce_time", b"yesterday"),
        ("ce_scheduletime", b"2026-11-23T12:00:00"),
    ],
)
def test_what_is_none_of_ours_names_the_header(header: str, value: bytes | None) -> None:
    record, _ = attempt_record(1)
    headers = [(name, text) for name, text in record.headers if name != header]
    if value is not None:
        headers.append((header, value))
    with pytest.raises(NotARun, match=header):
        run_record(replace(delivery_of(record), headers=headers))


def test_of_two_headers_of_a_name_the_first_counts() -> None:
    record, _ = attempt_record(1)
    headers = [*record.headers, ("ce_fence", b"99"), ("x", b"1"), ("x", b"2")]
    found = run_record(replace(delivery_of(record), headers=headers))
    assert (found.fence, found.headers["x"]) == (1, "1")
