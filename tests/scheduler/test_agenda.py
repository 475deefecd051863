"""When cursors are looked at."""

from scheduler.making import NOW, SECOND, entry_of, make_job
from tickwheel.server.convert.schedule import schedule_of
from tickwheel.server.scheduler.cursors.agenda import FEW, Agenda
from tickwheel.server.scheduler.live import Cursor


def test_a_visit_to_a_cursor_that_is_gone_does_not_keep_a_later_one_from_being_visited() -> None:
    agenda, job = Agenda(), make_job(every_s=1)
    cursor = Cursor(job, schedule_of(job), entry_of(job, NOW), NOW, 0)
    agenda.visit(NOW, cursor.id)
    assert agenda.take_due(NOW) is None
    agenda.add(cursor, NOW + SECOND)
    assert agenda.take_due(NOW + SECOND) == cursor.id


def test_a_cursor_is_visited_at_the_earliest_of_its_instants_and_once() -> None:
    agenda, job = Agenda(), make_job(every_s=1)
    cursor = Cursor(job, schedule_of(job), entry_of(job, NOW), NOW, 0)
    agenda.add(cursor, NOW + 2 * SECOND)
    agenda.visit(NOW + SECOND, cursor.id)
    assert agenda.next_ms() == NOW + SECOND
    assert agenda.take_due(NOW + 2 * SECOND) == cursor.id
    assert agenda.take_due(NOW + 2 * SECOND) is None
    assert agenda.next_ms() is None


def test_a_cursor_whose_job_has_another_schedule_makes_room_under_its_id() -> None:
    agenda, job = Agenda(), make_job(every_s=1)
    former = Cursor(job, schedule_of(job), entry_of(job, NOW), NOW, 0)
    agenda.add(former, NOW)
    agenda.make_former(former, NOW)
    present = Cursor(job, schedule_of(job), entry_of(job, NOW), NOW, 0)
    agenda.add(present, NOW)
    assert former.id == (job.uid, "@1")
    assert (agenda.get(former.id), agenda.get(present.id)) == (former, present)


def test_visits_to_jobs_that_are_far_away_again_do_not_pile_up() -> None:
    """There is one such job for each that a cluster has: they are not to be held until next year."""
    agenda = Agenda()
    for number in range(4 * FEW):
        job = make_job(every_s=1)
        cursor = Cursor(job, schedule_of(job), entry_of(job, NOW), NOW, 0)
        agenda.add(cursor, NOW + SECOND + number)
        if number % 100:
            agenda.remove(cursor)
    visits = agenda._visits  # pyright: ignore[reportPrivateUsage]
    assert len(visits) <= 2 * FEW
    near = [agenda.take_due(NOW + 10 * SECOND) for _ in range(4 * FEW // 100 + 1)]
    assert near == [cursor.id for cursor in agenda] + [None]
