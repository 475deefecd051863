"""Records are CloudEvents, as consumers rely on."""

from tickwheel.worker.publisher.port import Permit
from tickwheel.worker.publisher.records import record_of, rfc3339
from worker.making import assignment


def test_every_header_of_the_contract() -> None:
    given = assignment("nightly", due_ms=1_795_435_200_123, epoch=12, attempt=2)
    given.schedule_ms = 1_795_435_200_000
    made = record_of(given, Permit(), 0)
    assert dict(made.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"uid-nightly/nightly/2",
        "ce_source": b"users/7/jobs/nightly",
        "ce_type": b"tickwheel.run",
        "ce_time": b"2026-11-23T12:00:00.123Z",
        "ce_user": b"7",
        "ce_attempt": b"2",
        "ce_fence": b"12",
        "ce_scheduletime": b"2026-11-23T12:00:00.000Z",
        "content-type": b"application/json",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    assert made.key == b"users/7/jobs/nightly"
    assert made.value == b"{}"
    assert made.topic == "topic"


def test_the_users_headers_go_beside_ours_and_replace_none() -> None:
    users = {
        "x-team": "billing ü",
        "ce_id": "forged",
        "CE_Fence": "9",
        "Content-Type": "text/html",
        "traceparent": "forged",
        "ce_custom": "kept out, the prefix is ours",
    }
    made = record_of(assignment("a", headers=users), Permit(), 0)
    names = [name for name, _ in made.headers]
    assert ("x-team", "billing ü".encode()) in made.headers
    assert len(names) == len(set(names))
    assert not {"CE_Fence", "Content-Type", "ce_custom"} & set(names)
    assert dict(made.headers)["ce_id"] == b"uid-a/a/1"
    assert dict(made.headers)["content-type"] == b"application/json"


def test_what_is_empty_is_left_out() -> None:
    given = assignment("a")
    given.content_type = given.traceparent = ""
    names = [name for name, _ in record_of(given, Permit(), 0).headers]
    assert "content-type" not in names
    assert "traceparent" not in names


def test_instants_before_1970_and_far_ahead() -> None:
    assert rfc3339(-1) == b"1969-12-31T23:59:59.999Z"
    assert rfc3339(253_402_300_799_999) == b"9999-12-31T23:59:59.999Z"
