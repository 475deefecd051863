"""New time-zone data: which rows move, and what of that is fired."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from zone_folder import TOWN, ZoneFolder

from scheduler.making import (
    NOW,
    SECOND,
    assign,
    changed,
    entry_of,
    load,
    make_job,
    make_owner,
    notice,
    publish,
    store_records,
)
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import RunState
from tickwheel.server.schedule.zone import ZONES
from tickwheel.server.scheduler.rederiving import depends_on_zone
from tickwheel.server.scheduler.segment import SegmentOwner
from tickwheel.v1 import schedule_pb2

HOUR = 3600 * SECOND
DAY = 24 * HOUR
#: NOW is 2027-01-15 08:00:00 UTC; in TOWN that is 09:00, and 10:00 once it has moved east.
MIDNIGHT = NOW - 8 * HOUR


@pytest.fixture(autouse=True)
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ZoneFolder:
    folder = ZoneFolder(tmp_path / "zones")
    monkeypatch.setattr(ZONES, "_root", folder.root)
    monkeypatch.setattr(ZONES, "_zones", {})
    return folder


def daily(hour: int, minute: int = 0, second: int = 0, **fields: int) -> Job:
    """A job that runs each day, by the clock in TOWN."""
    return crontab(f"{second} {minute} {hour} * * *", **fields)


def crontab(cron: str, create_ms: int = NOW - 30 * DAY, max_runs: int = 0) -> Job:
    job = make_job(at_ms=1, create_ms=create_ms)
    job.spec.schedule.Clear()
    job.spec.schedule.cron = cron
    job.spec.schedule.time_zone = TOWN
    job.spec.schedule.max_runs = max_runs
    return job


def row_of(job: Job, after_ms: int = NOW, ordinal: int = 0) -> ScheduleEntry:
    """Its row, by the data of the day."""
    nominal = schedule_of(job).next_after(after_ms)
    assert nominal is not None
    return entry_of(job, nominal, ordinal=ordinal)


def rederived(
    owner: SegmentOwner, job: Job, entry: ScheduleEntry, now_ms: int = NOW
) -> tuple[Sequence[ScheduleEntry], Sequence[ScheduleEntry]]:
    """What is written and what is deleted once a row far ahead was looked at."""
    owner.rederive([entry], {job.key: job}, now_ms)
    owner.step(now_ms)
    advance = owner.take_advance(now_ms)
    return advance.put, advance.remove


def test_now_is_what_the_cases_take_it_for() -> None:
    assert datetime.fromtimestamp(NOW / 1000, UTC).isoformat() == "2027-01-15T08:00:00+00:00"


@pytest.mark.parametrize(("hours", "due_h"), [(3, 20), (0, 23), (-2, 25)])
def test_a_row_far_ahead_moves_to_where_its_job_is_due_now(
    town: ZoneFolder, hours: int, due_h: int
) -> None:
    owner, job = make_owner(), daily(23)
    row = row_of(job, ordinal=7)
    assert row.schedule_ms == MIDNIGHT + 22 * HOUR
    town.move(hours)
    owner.begin_rederiving(NOW, NOW)
    (put,), remove = rederived(owner, job, row)
    assert (put.schedule_ms, put.due_ms, put.fire_ms) == (MIDNIGHT + due_h * HOUR,) * 3
    assert (put.ordinal, put.generation, put.uid) == (7, job.generation, job.uid)
    assert list(remove) == [row]
    # It is not held: it is read from its new place when its time comes.
    assert owner.position_ms(NOW + 30 * DAY) > put.fire_ms


def test_a_row_that_is_right_stays(town: ZoneFolder) -> None:
    owner = make_owner()
    jobs = [crontab("30 * * * *"), daily(23)]
    jobs[1].spec.schedule.time_zone = "UTC"
    rows = [row_of(job) for job in jobs]
    town.move(3)
    owner.begin_rederiving(NOW, NOW)
    for job, row in zip(jobs, rows, strict=True):
        assert rederived(owner, job, row) == ([], [])


def test_an_occurrence_that_has_gone_by_meanwhile_is_not_brought_back(town: ZoneFolder) -> None:
    """At 10:30 it would have been 09:30: that is past, and what is past is not changed."""
    owner, job = make_owner(), daily(10, 30)
    row = row_of(job)
    assert row.schedule_ms == NOW + 90 * 60 * SECOND
    town.move(3)
    owner.begin_rederiving(NOW, NOW)
    (put,), _ = rederived(owner, job, row)
    assert put.schedule_ms == MIDNIGHT + DAY + 7 * HOUR + 30 * 60 * SECOND


def test_what_came_due_by_the_former_data_fires_as_it_was(town: ZoneFolder) -> None:
    owner, job = make_owner(), daily(8, 59)
    row = row_of(job, MIDNIGHT)
    assert row.schedule_ms == NOW - 60 * SECOND
    town.move(0)
    owner.begin_rederiving(NOW, NOW)
    (run,) = load(owner, job, row)
    assert run.schedule_ms == row.schedule_ms
    publish(owner, run, NOW)
    store_records(owner)
    (put,) = owner.take_advance(NOW).put
    # Its next one is by the new data.
    assert (put.schedule_ms, put.ordinal) == (MIDNIGHT + 8 * HOUR + 59 * 60 * SECOND, 1)


def both_days(town: ZoneFolder, job: Job, hours: int) -> list[int]:
    """What is fired of a row that an api has written by the data of before, in two days."""
    row = row_of(job)
    town.move(hours)
    owner = make_owner()
    owner.load([row], {job.key: job}, NOW)
    fired: list[int] = []
    for now_ms in range(NOW, NOW + 2 * DAY, 60 * SECOND):
        owner.step(now_ms)
        for run in assign(owner):
            fired.append(run.schedule_ms)
            publish(owner, run, run.due_ms)
    return [(at_ms - MIDNIGHT) // HOUR for at_ms in fired]


@pytest.mark.parametrize(
    ("hours", "fired"),
    [
        # Later by the owner's data: at that instant, and not at both.
        (0, [23, 47]),
        # Earlier: where it stood, which is late for the first time, and from then on earlier.
        (2, [22, 45]),
        (1, [22, 46]),
    ],
)
def test_a_row_of_an_api_that_has_older_data(
    town: ZoneFolder, hours: int, fired: list[int]
) -> None:
    assert both_days(town, daily(23), hours) == fired


def test_a_row_each_hour_of_an_api_that_has_older_data(town: ZoneFolder) -> None:
    assert both_days(town, crontab("0 */6 * * *"), 0) == [12, 18, 24, 30, 36, 42, 48, 54]


def test_a_job_whose_schedule_ends_before_its_new_occurrence_is_complete(town: ZoneFolder) -> None:
    owner, job = make_owner(), daily(23)
    job.spec.schedule.end_time.FromMilliseconds(MIDNIGHT + 22 * HOUR + 1)
    row = row_of(job)
    town.move(0)
    owner.begin_rederiving(NOW, NOW)
    owner.rederive([row], {job.key: job}, NOW)
    owner.step(NOW)
    advance = owner.take_advance(NOW)
    assert (list(advance.put), list(advance.remove)) == ([], [row])
    assert list(advance.complete) == [(job.key, job.generation)]


def test_what_workers_hold_is_taken_back_and_computed_anew(town: ZoneFolder) -> None:
    """Each second of one minute: near occurrences are hours away by the new data."""
    owner, job = make_owner(), crontab("* 0 9 * * *", max_runs=50)
    runs = load(owner, job, row_of(job, NOW, ordinal=3))
    assert [run.ordinal for run in runs] == [3, 4, 5, 6]
    publish(owner, runs[0], NOW + SECOND)
    store_records(owner)
    now = NOW + SECOND + 1
    town.move(0)
    assert owner.begin_rederiving(now, now) == runs[1:]
    owner.confirm_revoked([run.key for run in runs[1:]], (), now)
    owner.step(now)
    assert not owner.take_ready()
    (put,) = owner.take_advance(now).put
    assert (put.schedule_ms, put.ordinal) == (NOW + HOUR, 4)


def test_what_a_worker_had_begun_stays_a_run_and_is_none_of_the_new_ones(town: ZoneFolder) -> None:
    owner, job = make_owner(), crontab("* 0 9 * * *")
    runs = load(owner, job, row_of(job, NOW))
    keys = [run.key for run in runs]
    town.move(0)
    owner.begin_rederiving(NOW, NOW)
    owner.confirm_revoked(keys, keys[:1], NOW)
    publish(owner, runs[0], NOW + SECOND)
    store_records(owner)
    assert not assign(owner)
    (put,) = owner.take_advance(NOW + SECOND).put
    assert put.schedule_ms == NOW + HOUR


def test_near_runs_that_are_right_stay_with_their_workers(town: ZoneFolder) -> None:
    owner, job = make_owner(), crontab("* * * * * *")
    runs = load(owner, job, row_of(job, NOW))
    town.move(2)
    assert owner.begin_rederiving(NOW, NOW) == []
    owner.step(NOW + SECOND)
    assert [run.due_ms for run in assign(owner)] == [runs[-1].due_ms + SECOND]


def test_a_deleted_job_is_not_brought_back(town: ZoneFolder) -> None:
    owner, job = make_owner(), crontab("* * 9 * * *")
    runs = load(owner, job, row_of(job, NOW))
    gone = changed(job, NOW, delete_ms=NOW)
    owner.notice(notice(gone, NOW), gone, NOW)
    owner.confirm_revoked([run.key for run in runs], (), NOW)
    town.move(2)
    owner.begin_rederiving(NOW, NOW)
    owner.step(NOW)
    assert not owner.take_ready()
    assert not owner.take_advance(NOW).put


class TestTakeOver:
    """The former owner was last alive at NOW; the next one reads the segment an hour later."""

    LATER = NOW + HOUR

    def taken(self) -> SegmentOwner:
        owner = make_owner(epoch=2)
        owner.begin_rederiving(NOW, self.LATER)
        return owner

    def test_what_fell_due_in_between_is_judged_by_the_new_data(self, town: ZoneFolder) -> None:
        job = daily(11, 30)
        row = row_of(job)
        assert row.schedule_ms == NOW + 150 * 60 * SECOND
        town.move(3)
        (run,) = load(self.taken(), job, row, self.LATER)
        assert run.run_id == instant_id(NOW + 30 * 60 * SECOND)

    def test_it_does_not_fire_at_the_former_instant_as_well(self, town: ZoneFolder) -> None:
        """It was to run within the outage, and is now to run after it."""
        job = daily(9, 30)
        row = row_of(job)
        assert row.schedule_ms == NOW + 30 * 60 * SECOND
        town.move(0)
        owner = self.taken()
        assert not load(owner, job, row, self.LATER)
        (put,) = owner.take_advance(self.LATER).put
        assert (put.schedule_ms, put.ordinal) == (NOW + 90 * 60 * SECOND, 0)

    def test_a_row_that_was_looked_at_is_not_set_back(self, town: ZoneFolder) -> None:
        job = crontab("0 30 * * * *")
        row = row_of(job)
        town.move(3)
        owner = self.taken()
        (run,) = load(owner, job, row, self.LATER)
        publish(owner, run, self.LATER)
        *_, record = store_records(owner, self.LATER)
        assert record.state is RunState.SUCCEEDED
        (put,) = owner.take_advance(self.LATER).put
        assert put.schedule_ms == NOW + 90 * 60 * SECOND
        # What it fired is forgotten, the row is read again: a second time and it would be twice.
        owner.forget_before(put.fire_ms)
        owner.rederive([put], {job.key: job}, self.LATER)
        assert not owner.take_advance(self.LATER).put
        (again,) = load(owner, job, put, put.fire_ms)
        assert again.schedule_ms == put.schedule_ms

    def test_once_all_is_gone_through_rows_are_taken_as_they_are(self, town: ZoneFolder) -> None:
        job = daily(23)
        row = row_of(job)
        town.move(0)
        owner = self.taken()
        owner.end_rederiving()
        assert rederived(owner, job, row, self.LATER) == ([], [])


@pytest.mark.parametrize(
    ("message", "depends"),
    [
        ({"cron": "0 9 * * *"}, False),
        ({"cron": "0 9 * * *", "time_zone": "UTC"}, False),
        ({"cron": "0 9 * * *", "time_zone": TOWN}, True),
        ({"rrule": f"DTSTART;TZID={TOWN}:20270101T090000\nRRULE:FREQ=DAILY"}, True),
        ({"rrule": "FREQ=DAILY"}, False),
        ({"time_zone": TOWN, "at": {"seconds": 1}}, False),
        ({"any_of": {"schedules": [{"cron": "0 9 * * *"}]}}, False),
        ({"any_of": {"schedules": [{"cron": "0 9 * * *", "time_zone": TOWN}]}}, True),
        ({"any_of": {"schedules": [{"cron": "0 9 * * *"}]}, "time_zone": TOWN}, True),
        ({"every": {"seconds": 60}, "time_zone": TOWN, "excludes": ["2027-01-16"]}, True),
    ],
)
def test_which_schedules_depend_on_time_zones(message: dict[str, object], depends: bool) -> None:
    assert depends_on_zone(schedule_pb2.Schedule(**message)) is depends  # pyright: ignore[reportArgumentType]
