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


def test_a_stretch_that_had_grown_when_it_was_stored_knew_of_no_end_before_it() -> None:
    late, stretch = state(RunState.SUCCEEDED, 1), state(RunState.SKIPPED, 2, skipped=3)
    assert without_ghosts([(3, late), (4, stretch)]) == [stretch]
    # It goes on after what a former owner had skipped of it, and was told.
    begun = state(RunState.SKIPPED, 1, skipped=2)
    assert without_ghosts([(3, begun), (4, stretch)]) == [begun, stretch]


def test_two_ends_of_which_the_second_owner_knew_the_first_both_count() -> None:
    first, second = state(RunState.SUCCEEDED, 1), state(RunState.SKIPPED, 2, skipped=1)
    assert without_ghosts([(3, first), (4, second)]) == [first, second]
