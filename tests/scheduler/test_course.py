"""What a job was when, from its former versions."""

from dataclasses import replace

from scheduler.making import NOW, SECOND, changed, entry_of, make_job
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.course import FOR_EVER_MS, count_before, eras, is_within
from tickwheel.server.domain.job import Job
from tickwheel.server.scheduler.standing import stands_for


def rescheduled(job: Job, now_ms: int, every_s: int, max_runs: int = 0) -> Job:
    after = changed(job, now_ms, generation=job.generation + 1, schedule_from_ms=now_ms + 1)
    spec = type(job.spec)()
    spec.CopyFrom(job.spec)
    spec.schedule.every.FromSeconds(every_s)
    spec.schedule.max_runs = max_runs
    return replace(after, spec=spec)


def test_a_schedule_holds_until_the_next_one_or_the_deletion() -> None:
    first = make_job(every_s=1)
    second = rescheduled(first, NOW + 10 * SECOND, 2)
    gone = changed(second, NOW + 30 * SECOND, delete_ms=NOW + 30 * SECOND)
    assert [era.until_ms for era in eras(second, [first]).values()] == [
        NOW + 10 * SECOND,
        FOR_EVER_MS,
    ]
    assert [era.until_ms for era in eras(gone, [first, second]).values()] == [
        NOW + 10 * SECOND,
        NOW + 30 * SECOND,
    ]


def test_pauses_are_what_lies_between_their_changes() -> None:
    first = make_job(every_s=1)
    paused = changed(first, NOW + 3 * SECOND, paused=True)
    renamed = changed(paused, NOW + 5 * SECOND, pause_reason="longer")
    resumed = changed(renamed, NOW + 8 * SECOND, paused=False)
    pauses = eras(resumed, [first, paused, renamed])[1].pauses
    assert pauses == ((NOW + 3 * SECOND, NOW + 8 * SECOND),)
    # What came due at the very instant of the change came before it.
    assert not is_within(pauses, NOW + 3 * SECOND)
    assert is_within(pauses, NOW + 8 * SECOND)


def test_what_came_due_while_active_counts_and_nothing_else() -> None:
    first = make_job(every_s=1)
    paused = changed(first, NOW + 3 * SECOND, paused=True)
    resumed = changed(paused, NOW + 5 * SECOND, paused=False)
    second = rescheduled(resumed, NOW + 10 * SECOND, 2, max_runs=100)
    past = eras(second, [first, paused, resumed])
    # From 0 s to 10 s, without 4 s and 5 s.
    assert count_before(past, 2, 100, schedule_of) == 9
    assert count_before(past, 2, 4, schedule_of) == 4
    assert count_before(past, 1, 100, schedule_of) == 0


def test_a_schedule_that_came_to_its_end_counts_no_more_than_that() -> None:
    first = rescheduled(make_job(every_s=1), NOW, 1, max_runs=3)
    second = rescheduled(first, NOW + 60 * SECOND, 1, max_runs=10)
    assert count_before(eras(second, [first]), second.generation, 100, schedule_of) == 3


def test_a_pause_of_years_is_not_gone_through_one_by_one() -> None:
    first = make_job(every_s=1)
    paused = changed(first, NOW + 2 * SECOND, paused=True)
    resumed = changed(paused, NOW + 10**12, paused=False)
    second = rescheduled(resumed, NOW + 10**12 + 5 * SECOND, 1, max_runs=50)
    assert count_before(eras(second, [first, paused, resumed]), 2, 100, schedule_of) == 8


def test_a_row_of_a_change_that_never_came_to_be_stands_for_nothing() -> None:
    first = make_job(every_s=2)
    second = rescheduled(first, NOW + 10 * SECOND, 3)
    era = eras(second, [first])[2]
    schedule = schedule_of(second)
    for seconds, is_one in ((12, True), (15, True), (13, False), (9, False)):
        row = replace(entry_of(second, NOW + seconds * SECOND), generation=2)
        assert stands_for(row, era, schedule) is is_one, seconds


def test_a_row_after_the_end_of_its_schedule_stands_for_nothing() -> None:
    first = make_job(every_s=2)
    second = rescheduled(first, NOW + 10 * SECOND, 3)
    era = eras(second, [first])[1]
    assert stands_for(entry_of(first, NOW + 10 * SECOND), era, schedule_of(first))
    assert not stands_for(entry_of(first, NOW + 12 * SECOND), era, schedule_of(first))


def test_a_row_by_other_time_zone_data_stands_for_an_occurrence() -> None:
    job = make_job(every_s=60)
    job.spec.schedule.cron = "30 2 * * *"
    job.spec.schedule.time_zone = "Europe/Berlin"
    era = eras(job)[1]
    off_by_an_hour = replace(entry_of(job, NOW), schedule_ms=NOW + 3_600 * SECOND)
    assert stands_for(off_by_an_hour, era, schedule_of(job))
