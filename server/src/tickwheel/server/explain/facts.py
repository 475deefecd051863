"""What an explanation is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tickwheel.server.domain.course import FOR_EVER_MS, Era, eras
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Limit, Run, RunState, Trigger
from tickwheel.server.store.port import ChangeRecord
from tickwheel.v1 import job_service_pb2


@dataclass(frozen=True, slots=True)
class Life:
    """One job from its creation to its deletion; several may have had the same name."""

    job: Job
    #: What it was before each of its changes, oldest first, and what ended that.
    history: Sequence[ChangeRecord]
    #: Its generations by number, oldest first.
    eras: Mapping[int, Era]

    @property
    def until_ms(self) -> int:
        """When it was deleted."""
        return self.job.delete_ms or FOR_EVER_MS

    def change_to(self, version: int) -> ChangeRecord | None:
        """What made a version; None for the first one, or where that is not known."""
        return next((one for one in self.history if one.job.version == version - 1), None)

    def version_at(self, instant_ms: int) -> Job:
        """What the job was at an instant; before its creation its first version."""
        held = [*(one.job for one in self.history), self.job]
        for version in reversed(held):
            if version.update_ms < instant_ms:
                return version
        return held[0]


def life_of(job: Job, history: Sequence[ChangeRecord]) -> Life:
    """A job's past from what the store keeps of it."""
    return Life(job, history, eras(job, [record.job for record in history]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An instant at which the schedule has an occurrence, or might have been expected to."""

    life: Life
    #: Nominal, Unix milliseconds.
    at_ms: int
    #: With its jitter.
    due_ms: int
    #: The generation whose occurrence it is; None where there is none, for `reason`.
    era: Era | None = None
    reason: "job_service_pb2.OccurrenceReason" = job_service_pb2.OCCURRENCE_REASON_UNSPECIFIED
    #: Why there is none; or what is odd about the one there is. May be empty.
    text: str = ""
    #: It may be beyond `max_runs`, which would take too long to count.
    uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """What became of one instant, and why, in words."""

    at_ms: int
    outcome: "job_service_pb2.OccurrenceOutcome"
    reason: "job_service_pb2.OccurrenceReason"
    text: str
    #: The name of its run; empty where there is none.
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What else there is to know."""

    now_ms: int
    #: By job uid the instant before which its segment's owners have done everything.
    done_ms: Mapping[str, int] = field(default_factory=dict[str, int])
    #: Uids of jobs whose segment has no owner now.
    unowned: frozenset[str] = frozenset()
    #: Uids of jobs whose segment has an owner, but no worker; asked for only where a run waits.
    unserved: frozenset[str] = frozenset()


class Runs:
    """The runs of one job in a range, as they can be asked for."""

    def __init__(self, runs: Sequence[Run], before: Sequence[Run] = ()) -> None:
        """Takes those of the range, and as many as are known of those before it.

        Args:
            runs: in any order.
            before: newest first; some may be among `runs` as well.
        """
        self._by_id = {run.run_id: run for run in runs}
        self._all = runs
        #: Newest first, as `runs` are where it matters.
        self._known = [*runs, *(run for run in before if run.run_id not in self._by_id)]
        self._stretches = [
            run
            for run in self._known
            if run.state is RunState.SKIPPED
            and run.trigger is Trigger.SCHEDULE
            and run.skipped_count > 1
        ]

    def scheduled(self) -> list[Run]:
        """Those of the range that occurrences of the schedule have brought about."""
        return [run for run in self._all if run.trigger is Trigger.SCHEDULE]

    def at(self, run_id: str, at_ms: int) -> Run | None:
        """The run of an occurrence, or the record that stands for it and others."""
        run = self._by_id.get(run_id)
        if run is not None:
            return run
        return next(
            (stretch for stretch in self._stretches if _stands_for(stretch, at_ms)),
            None,
        )

    def again(self, at_ms: int) -> list[Run]:
        """Backfilled runs of the occurrence at an instant, and retries of it."""
        found = [
            run
            for run in self._all
            if run.trigger in (Trigger.BACKFILL, Trigger.RETRY)
            and (run.schedule_ms == at_ms or _stands_for(run, at_ms))
        ]
        return sorted(found, key=lambda run: run.create_ms)

    def any_pending(self) -> bool:
        """Whether one of the range is not published yet."""
        return any(run.state is RunState.PENDING for run in self._all)

    def held_back(self) -> Limit | None:
        """The limit over many jobs that holds some of them back."""
        held = (run for run in self._known if run.state is RunState.PENDING)
        return next((run.held_by for run in held if run.held_by is not Limit.NONE), None)

    def unfinished(self) -> Run | None:
        """One that is not finished now: one that is with an executor, or else the first."""
        found: Run | None = None
        for run in self._known:
            if run.state in (RunState.PUBLISHED, RunState.RUNNING):
                return run
            if not run.state.is_final:
                found = run
        return found

    def ended_between(self, waiting: Run, until_ms: int) -> Run | None:
        """An earlier run that ended after another one was due: that may have waited for it."""
        return next(
            (
                run
                for run in self._known
                if run.schedule_ms < waiting.schedule_ms
                and waiting.due_ms < run.end_ms <= until_ms
                and run.state is not RunState.SKIPPED
            ),
            None,
        )


def _stands_for(run: Run, at_ms: int) -> bool:
    """Whether a skipped run stands for an instant and others."""
    return run.skipped_count > 1 and run.first_schedule_ms <= at_ms <= run.last_schedule_ms
