"""Which states of a run count, where a former owner's may have landed late."""

from tickwheel.server.domain.run import Run, RunState, Trigger
from tickwheel.server.store.ghosts import without_ghosts


def state(state: RunState, revision: int, skipped: int = 0) -> Run:
    return Run(
        user="7",
        job_id="job",
        job_uid="uid",
        run_id="run",
        segment=0,
        state=state,
        trigger=Trigger.SCHEDULE,
        schedule_ms=1_000,
        due_ms=1_000,
        update_ms=2_000 + revision,
        revision=revision,
        skipped_count=skipped,
    )


def test_who_begins_anew_did_not_know_of_a_late_end() -> None:
    late, stretch = state(RunState.SUCCEEDED, 1), state(RunState.SKIPPED, 1, skipped=3)
    longer = state(RunState.SKIPPED, 2, skipped=4)
    assert without_ghosts([(3, late), (4, stretch), (4, longer)]) == [stretch, longer]


def test_a_stretch_goes_on_after_what_a_former_owner_had_skipped_of_it() -> None:
    begun, longer = state(RunState.SKIPPED, 1, skipped=2), state(RunState.SKIPPED, 2, skipped=3)
    assert without_ghosts([(3, begun), (4, longer)]) == [begun, longer]


def test_two_ends_of_which_the_second_owner_knew_the_first_both_count() -> None:
    first, second = state(RunState.SUCCEEDED, 1), state(RunState.SKIPPED, 2, skipped=2)
    assert without_ghosts([(3, first), (4, second)]) == [first, second]
