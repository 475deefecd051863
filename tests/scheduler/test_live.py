"""What names a live run."""

from dataclasses import replace

from scheduler.making import NOW, entry_of, load, make_job, make_owner
from tickwheel.server.scheduler.live import AttemptKey


def test_a_run_has_another_key_for_each_attempt_and_for_its_dead_letter() -> None:
    owner, job = make_owner(), make_job(at_ms=NOW)
    (run,) = load(owner, job, entry_of(job, NOW))
    first = run.key
    assert first == AttemptKey(job.uid, run.run_id, 1)
    assert replace(run, dead_letter=True).key == AttemptKey(job.uid, run.run_id, 1, True)
    run.attempt += 1
    assert run.key == AttemptKey(job.uid, run.run_id, 2)
    run.dead_letter = True
    assert run.key == AttemptKey(job.uid, run.run_id, 2, True)
