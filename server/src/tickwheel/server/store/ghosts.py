"""Which states of a run log count, where former owners may have written late. Pure.

For stores that cannot refuse such a write: it stands elsewhere than what the present owner writes.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from tickwheel.server.domain.run import Run


def without_ghosts(
    runs: Sequence[tuple[int, Run]], further: Iterable[tuple[int, Run]] = ()
) -> list[Run]:
    """Leaves out what an owner recorded after its successor had recorded that state or a later one.

    An owner knows all states that its predecessors recorded in time, and goes on from them. So a
    state of an earlier epoch at or above one of a later epoch was recorded by who was no owner
    any more. So was an end that a later epoch has gone on after.

    Args:
        runs: states, each with the epoch under which it was recorded.
        further: states of these runs that are known as well, and not asked for.
    """
    states: dict[tuple[str, str], list[tuple[int, Run]]] = {}
    for epoch, run in chain(runs, further):
        states.setdefault((run.job_uid, run.run_id), []).append((epoch, run))
    return [
        run
        for epoch, run in runs
        if not any(
            later > epoch and _is_unaware(state, run)
            for later, state in states[run.job_uid, run.run_id]
        )
    ]


def _is_unaware(state: Run, former: Run) -> bool:
    """Whether who recorded a state cannot have known that of a former owner.

    Revisions alone do not tell: of two states that are made at once only the second is stored.
    """
    return state.revision <= former.revision or (former.state.is_final and not state.state.is_final)
