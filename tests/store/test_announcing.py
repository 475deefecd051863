"""Rows are placed where an owner looks at the moment at which they are written."""

from dataclasses import replace

import pytest

from scheduler.making import NOW, SECOND, entry_of, make_job
from tickwheel.server.api.admission import creation_inbox
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.store.announcing import PROMPT_MS, last_change, placed, promptly, stamped
from tickwheel.server.store.port import NewJob


def made(at_ms: int, now_ms: int = NOW) -> NewJob:
    job = make_job(at_ms=at_ms)
    entry = entry_of(job, at_ms)
    return NewJob(job=job, entry=entry, inbox=creation_inbox(job, entry, now_ms), made_ms=now_ms)


def test_what_was_made_just_now_stays_where_it_is() -> None:
    new = made(NOW + 3 * SECOND)
    assert placed(new, NOW + 900) == new


def test_what_came_due_meanwhile_stands_at_now() -> None:
    late = placed(made(NOW + 3 * SECOND), NOW + 30 * SECOND)
    assert late.entry is not None
    assert late.inbox is not None
    assert (late.entry.fire_ms, late.entry.due_ms) == (NOW + 30 * SECOND, NOW + 3 * SECOND)
    assert (late.inbox.write_ms, late.inbox.entry) == (NOW + 30 * SECOND, late.entry)


def test_what_was_far_ahead_and_is_near_now_goes_through_the_inbox_as_well() -> None:
    new = made(NOW + 40 * SECOND)
    assert new.inbox is None
    near = placed(new, NOW + 30 * SECOND)
    assert near.inbox is not None
    assert near.entry == new.entry


def test_where_nobody_said_when_it_was_made_it_stays() -> None:
    new = replace(made(NOW + SECOND), made_ms=0)
    assert placed(new, NOW + 3_600 * SECOND) == new


def test_a_late_inbox_entry_is_stamped_anew() -> None:
    item = last_change(make_job(every_s=1), None, NOW)
    assert stamped(item, NOW + 900) == item
    assert stamped(item, NOW + 9_000).write_ms == NOW + 9_000


def test_an_entry_of_a_former_schedule_is_not_told_of() -> None:
    job = make_job(every_s=1)
    entry = entry_of(job, NOW + SECOND)
    assert last_change(job, entry, NOW).entry == entry
    assert last_change(replace(job, generation=2), entry, NOW).entry is None


class _Clock:
    def __init__(self) -> None:
        self.ms = NOW

    def now_ms(self) -> int:
        return self.ms

    def now_us(self) -> int:
        return self.ms * 1_000

    def steady_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1_000)


async def test_a_write_that_took_long_is_repeated() -> None:
    clock, written = _Clock(), list[int]()

    async def write() -> None:
        written.append(clock.ms)
        clock.ms += PROMPT_MS + 1 if len(written) == 1 else 5

    await promptly(clock, write)
    assert written == [NOW, NOW + PROMPT_MS + 1]


async def test_a_store_that_is_always_too_slow_is_none() -> None:
    clock = _Clock()

    async def write() -> None:
        clock.ms += PROMPT_MS + 1

    with pytest.raises(StoreUnavailable):
        await promptly(clock, write)
