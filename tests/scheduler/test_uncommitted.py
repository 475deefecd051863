"""Rows whose jobs are not there are looked at again, ever more seldom, and then given up."""

from dataclasses import replace

from scheduler.making import NOW, SECOND, entry_of, make_job
from tickwheel.server.scheduler.uncommitted import COMMIT_GRACE_MS, FIRST_LOOK_MS, Uncommitted

ENTRY = entry_of(make_job(at_ms=NOW + SECOND), NOW + SECOND)


def test_each_look_comes_after_as_long_as_was_waited_before_but_soon_enough() -> None:
    rows, looks = Uncommitted(), list[int]()
    assert rows.keep(ENTRY, NOW)
    for now_ms in range(NOW, NOW + 2 * COMMIT_GRACE_MS, 100):
        if rows.to_look_at(now_ms) == [ENTRY]:
            looks.append(now_ms - NOW)
            if not rows.keep(ENTRY, now_ms):
                break
    assert looks[:6] == [500, 1_000, 2_000, 4_000, 8_000, 13_000]
    assert looks[-1] == COMMIT_GRACE_MS
    assert not rows.has(ENTRY.uid)
    assert not list(rows.entry_ms())


def test_who_is_told_of_a_job_looks_at_its_rows_at_once() -> None:
    rows = Uncommitted()
    rows.keep(ENTRY, NOW)
    assert not rows.to_look_at(NOW + FIRST_LOOK_MS - 1, {"another"})
    assert rows.to_look_at(NOW + FIRST_LOOK_MS - 1, {ENTRY.uid}) == [ENTRY]


def test_a_row_that_was_given_up_is_not_waited_for_again_before_the_position_has_passed_it() -> (
    None
):
    rows = Uncommitted()
    rows.keep(ENTRY, NOW)
    assert not rows.keep(ENTRY, NOW + COMMIT_GRACE_MS)
    assert rows.keep(ENTRY, NOW + COMMIT_GRACE_MS + SECOND)
    assert not rows.has(ENTRY.uid)
    rows.pass_by(ENTRY.fire_ms + 1)
    assert rows.keep(ENTRY, NOW + 2 * COMMIT_GRACE_MS)
    assert rows.has(ENTRY.uid)


def test_the_row_of_another_try_has_its_own_time() -> None:
    rows = Uncommitted()
    rows.keep(ENTRY, NOW)
    again_ms = NOW + COMMIT_GRACE_MS - SECOND
    again = replace(ENTRY, fire_ms=again_ms)
    rows.keep(again, again_ms)
    assert not rows.keep(ENTRY, NOW + COMMIT_GRACE_MS)
    # Its job follows in a moment.
    assert rows.to_look_at(NOW + COMMIT_GRACE_MS) == [again]
    assert rows.keep(again, NOW + COMMIT_GRACE_MS)
    assert list(rows.entry_ms()) == [again_ms]
    late = replace(ENTRY, fire_ms=NOW + COMMIT_GRACE_MS + SECOND)
    rows.keep(late, late.fire_ms)
    assert set(rows.to_look_at(late.fire_ms + FIRST_LOOK_MS)) == {again, late}


def test_a_row_whose_job_came_is_settled() -> None:
    rows = Uncommitted()
    rows.keep(ENTRY, NOW)
    assert rows.has(ENTRY.uid)
    rows.settle(ENTRY)
    assert not rows.to_look_at(NOW + COMMIT_GRACE_MS)
