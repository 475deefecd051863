"""What is to be stored of a skipped stretch that grows meanwhile."""

from scheduler.making import NOW, make_job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.scheduler.ledger import Ledger
from tickwheel.server.scheduler.skipping import longer

JOB = make_job(every_s=1)


def begun(ledger: Ledger) -> Run:
    """A stretch of one."""
    record = Run(
        user=JOB.user,
        job_id=JOB.job_id,
        job_uid=JOB.uid,
        run_id=instant_id(NOW),
        segment=0,
        state=RunState.SKIPPED,
        trigger=Trigger.SCHEDULE,
        schedule_ms=NOW,
        due_ms=NOW,
        update_ms=NOW,
        skipped_count=1,
        first_schedule_ms=NOW,
        last_schedule_ms=NOW,
    )
    ledger.add(record)
    return record


def grown(ledger: Ledger, record: Run) -> Run:
    """It stands for one more."""
    return ledger.extend(record, longer(record, record.last_schedule_ms + 1_000, NOW))


def states(records: list[Run]) -> list[tuple[int, int]]:
    return [(record.revision, record.skipped_count) for record in records]


def test_what_nobody_has_tried_to_write_of_a_stretch_is_its_first_state() -> None:
    ledger = Ledger()
    grown(ledger, grown(ledger, begun(ledger)))
    assert states(ledger.take().records) == [(1, 3)]


def test_what_is_on_its_way_is_followed_by_a_further_state() -> None:
    ledger = Ledger()
    record = begun(ledger)
    assert states(ledger.take().records) == [(1, 1)]
    grown(ledger, grown(ledger, record))
    assert states(ledger.take().records) == [(2, 3)]


def test_what_could_not_be_written_may_be_there_and_stays_as_it_was() -> None:
    ledger = Ledger()
    record = begun(ledger)
    ledger.put_back(ledger.take())
    grown(ledger, grown(ledger, record))
    assert states(ledger.take().records) == [(1, 1), (2, 3)]
