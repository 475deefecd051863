"""Which runs are live, and what everybody who moves them on has to keep in step."""

from collections import Counter
from collections.abc import Iterable

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Limit, Run, RunState
from tickwheel.server.scheduler.ledger import Ledger
from tickwheel.server.scheduler.lingering import PATIENCE_MS, Lingering
from tickwheel.server.scheduler.live import AttemptKey, LiveRun, Phase
from tickwheel.server.scheduler.timers import Timer, Timers
from tickwheel.server.scheduler.unfinished import Unfinished
from tickwheel.server.store.port import LOOK_AHEAD_MS

#: An occurrence that is not recorded this long after its due instant gets a PENDING record, so
#: that it can be read within a second.
PENDING_AFTER_MS = 700

#: To be handed to a worker, or with one.
_WITH_WORKER = frozenset({Phase.READY, Phase.ASSIGNED})


class LiveRuns:
    """The live runs of one segment under one epoch."""

    def __init__(self, segment: int, epoch: int, patience_ms: int = PATIENCE_MS) -> None:
        self.patience_ms = patience_ms
        self.segment = segment
        self.epoch = epoch
        self.ledger = Ledger()
        self.timers = Timers()
        self.unfinished = Unfinished()
        self.lingering = Lingering()
        #: Runs that are done for the schedule since the position, and when they came to be so;
        #: reading the schedule again is therefore harmless.
        self.done: dict[tuple[str, str], int] = {}
        #: Runs (job, run id) of which workers have an outcome that is not taken in yet.
        self.foretold: set[tuple[str, str]] = set()
        self._live: dict[tuple[str, str, bool], LiveRun] = {}
        self._ready: dict[AttemptKey, LiveRun] = {}
        self._to_revoke: list[LiveRun] = []

    # -- what can be asked -------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._live)

    def find(self, uid: str, run_id: str) -> LiveRun | None:
        """The live run of that name."""
        return self._live.get((uid, run_id, False))

    def dead_letter_of(self, uid: str, run_id: str) -> LiveRun | None:
        """The live dead letter of the run of that name."""
        return self._live.get((uid, run_id, True))

    def is_open(self, uid: str, run_id: str) -> bool:
        """Whether the run, or its dead letter, is live."""
        return any((uid, run_id, dead_letter) in self._live for dead_letter in (False, True))

    def at(self, key: AttemptKey) -> LiveRun | None:
        """The live run that is at this attempt."""
        run = self._live.get((key.uid, key.run_id, key.dead_letter))
        return run if run is not None and run.attempt == key.attempt else None

    def in_phase(self, phase: Phase) -> list[LiveRun]:
        """All live runs in a phase."""
        return [run for run in self._live.values() if run.phase is phase]

    def unpublished(self) -> Iterable[LiveRun]:
        """Those that are to be handed out or are with a worker, held back by a limit or not."""
        return (run for run in self._live.values() if run.phase in _WITH_WORKER)

    def first_unpublished_ms(self) -> int | None:
        """When the first run is due that is to be handed out or is with a worker; None: none is.

        What waits for an earlier run, a backoff or a limit is not behind.
        """
        waiting = (run for run in self.unpublished() if run.gate is None)
        return min((run.job.could_run_ms(run.fire_ms) for run in waiting), default=None)

    def held(self, now_ms: int) -> Counter[Limit]:
        """How many due runs each limit over many jobs holds back."""
        kept = (run for run in self._live.values() if run.gate and run.phase is Phase.READY)
        due = Counter(
            run.gate.holds(run, now_ms) for run in kept if run.gate and run.fire_ms <= now_ms
        )
        del due[Limit.NONE]
        return due

    def names(self) -> Iterable[tuple[str, str]]:
        """(job uid, run id) of what is live or was done since the position."""
        yield from ((uid, run_id) for uid, run_id, dead in self._live if not dead)
        yield from self.done

    def entry_ms(self) -> Iterable[int]:
        """Where the rows stand of runs that have one of their own.

        One that is being ended and has none at all is found by its record alone, which is no older
        than when it was due.
        """
        for run in self._live.values():
            if run.entry is not None:
                yield run.entry.fire_ms
            elif run.phase is Phase.RECORDING and run.cursor is None and not run.has_row:
                yield run.due_ms

    def create_ms(self) -> set[int]:
        """When the runs were created that have a row among the open ones."""
        return {
            run.record.create_ms
            for run in self._live.values()
            if run.has_row and run.record is not None
        }

    # -- keeping it in step ------------------------------------------------------------------

    def add(self, run: LiveRun) -> None:
        """One more."""
        self._live[*run.name, run.dead_letter] = run
        if run.is_reported and not run.dead_letter:
            self.unfinished.add(run)

    def remove(self, run: LiveRun) -> None:
        """It has ended, or was taken back."""
        self._live.pop((*run.name, run.dead_letter), None)
        if not run.dead_letter:
            self.unfinished.discard(run)

    def queue(self, run: LiveRun, now_ms: int) -> None:
        """It is to be handed out, once it has come inside the look-ahead."""
        if run.fire_ms > now_ms + LOOK_AHEAD_MS:
            run.phase = Phase.BACKOFF
            self.timers.set(run.fire_ms - LOOK_AHEAD_MS, Timer.HAND_OUT, run.key)
        else:
            self.make_ready(run)

    def make_ready(self, run: LiveRun) -> None:
        """It is to be handed out."""
        run.phase = Phase.READY
        self._ready[run.key] = run

    def take_ready(self) -> list[LiveRun]:
        """Runs to hand to a worker, in order of due instant, higher priority first."""
        ready = [run for run in self._ready.values() if run.phase is Phase.READY]
        self._ready = {}
        ready.sort(key=_fire_then_priority)
        return ready

    def announce(self, run: LiveRun, now_ms: int) -> Run:
        """The PENDING record of a run that somebody waits to read."""
        record = run.as_run(RunState.PENDING, now_ms, self.epoch)
        self.ledger.add(record)
        return record

    def look_when_overdue(self, run: LiveRun, *, not_before_ms: int = 0) -> None:
        """Has it looked at once it is overdue."""
        self.timers.set(max(overdue_ms(run), not_before_ms), Timer.OVERDUE, run.key)

    def keep_row(self, run: LiveRun, record: Run) -> None:
        """It goes on by a row among the open runs from here on."""
        if not run.has_row:
            run.has_row = True
            self.ledger.open(record)

    def go_by(self, run: LiveRun, job: Job) -> None:
        """It goes by another version of its job, which may be reported or not."""
        self.unfinished.discard(run)
        run.job = job
        if run.is_reported:
            self.unfinished.add(run)

    def revoke(self, runs: Iterable[LiveRun]) -> None:
        """Workers are to be asked to drop these."""
        self._to_revoke.extend(runs)

    def take_revocations(self) -> list[LiveRun]:
        """Runs that workers are to be asked to drop."""
        revoked, self._to_revoke = self._to_revoke, []
        return revoked


def overdue_ms(run: LiveRun) -> int:
    """When something is to be read of a run, be it that a limit holds it back."""
    return max(run.fire_ms - run.held_ms, run.due_ms) + PENDING_AFTER_MS


def _fire_then_priority(run: LiveRun) -> tuple[int, int]:
    """Sorts runs by the instant of their attempt, of one instant those of higher priority first."""
    return (run.fire_ms, -run.job.spec.priority)
