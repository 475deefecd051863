"""What an owner asks of its segment's cursors, and which part does it."""

from collections.abc import Callable, Iterator, Sequence

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import occurrence_of
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.run import Run
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.changes import Changes
from tickwheel.server.scheduler.cursors.expansion import Expansion
from tickwheel.server.scheduler.cursors.following import Following
from tickwheel.server.scheduler.cursors.loading import Loading
from tickwheel.server.scheduler.cursors.orphans import Orphans
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.cursors.revoking import Revoking
from tickwheel.server.scheduler.cursors.rows import Advance, Rows
from tickwheel.server.scheduler.live import AttemptKey, Cursor, LiveRun
from tickwheel.server.scheduler.runs import Runs


class Cursors:
    """All cursors of one segment."""

    def __init__(
        self,
        runs: Runs,
        *,
        compile_schedule: Callable[[Job], Schedule],
        new_traceparent: Callable[[], str],
    ) -> None:
        self._agenda = Agenda()
        self._recovered = Recovered()
        self._rows = Rows(self._agenda, self._recovered, runs)
        self._orphans = Orphans(self._agenda, self._recovered, runs)
        self._expansion = Expansion(
            self._agenda, self._recovered, self._orphans, runs, new_traceparent
        )
        self._revoking = Revoking(self._agenda, self._recovered, self._orphans, runs)
        self._changes = Changes(self._agenda, self._orphans, self._revoking, compile_schedule)
        self._following = Following(self._agenda, self._revoking, compile_schedule)
        self._loading = Loading(
            self._agenda,
            self._recovered,
            self._orphans,
            self._rows,
            self._changes,
            self._following,
            compile_schedule,
        )

    # -- what former owners left -------------------------------------------------------------

    def remember(self, record: Run) -> None:
        """A run that a former owner recorded as due and no more than that."""
        self._recovered.remember(record)

    def take_begun(self, uid: str, run_id: str) -> Run | None:
        """What a former owner recorded of a run as due; it is told once."""
        return self._recovered.take_begun(uid, run_id)

    def remember_skip(self, record: Run) -> None:
        """A stretch that a former owner has recorded as skipped."""
        self._recovered.remember_skip(record)

    def take_late(self, record: Run, job: Job, now_ms: int) -> None:
        """A run that a former owner recorded as due, which was not known when it was passed."""
        self._orphans.take_late(record, job, now_ms)

    def begin_at(self, position_ms: int) -> None:
        """Rows from an instant on are read; those that come to light before it are moved."""
        self._rows.position_ms = position_ms

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self._rows.position_ms = position_ms
        self._recovered.forget_before(position_ms)

    # -- what is read ------------------------------------------------------------------------

    def wants_past(self, job: Job, entry: ScheduleEntry | None) -> bool:
        """Whether the job's former versions are needed to take it in, with a row or without."""
        return self._loading.wants_past(job, entry)

    def load(
        self, job: Job, entry: ScheduleEntry, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in a job's row; see Loading.load."""
        return self._loading.load(job, entry, former, now_ms)

    def load_backfill(
        self, job: Job, entry: ScheduleEntry, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in the row of a backfill; see Loading.load_backfill."""
        return self._loading.load_backfill(job, entry, former, now_ms)

    def change(
        self, job: Job, entry: ScheduleEntry | None, former: Sequence[Job], now_ms: int
    ) -> list[LiveRun]:
        """Takes in a job's newer version; see Changes.change."""
        return self._changes.change(job, entry, former, now_ms)

    def begin_rederiving(self, since_ms: int, now_ms: int) -> list[LiveRun]:
        """There are new time-zone data; see Following.begin."""
        return self._following.begin(since_ms, now_ms)

    def rederive(self, job: Job, entry: ScheduleEntry, now_ms: int) -> None:
        """Looks at a row that may be far ahead; moves it with the next advance if it is wrong."""
        self._loading.rederive(job, entry, now_ms)

    def end_rederiving(self) -> None:
        """All rows were looked at."""
        self._following.end()

    # -- what can be asked -------------------------------------------------------------------

    def of_job(self, uid: str) -> Cursor | None:
        """The cursor over a job's present schedule, while that is near."""
        return self._agenda.of_job(uid)

    def is_behind(self, uid: str, version: int) -> bool:
        """Whether one goes by a former version of a job: that of its schedule, or of a backfill."""
        present = self._agenda.of_job(uid)
        cursors = self._agenda.backfills_of(uid)
        if present is not None:
            cursors.append(present)
        return any(cursor.job.version < version for cursor in cursors)

    def is_backfilling(self, uid: str, backfill_id: str) -> bool:
        """Whether there is a cursor of that backfill."""
        return self._agenda.get((uid, backfill_id)) is not None

    def has_skipped(self, uid: str, run_id: str) -> bool:
        """Whether a stretch that has not left memory yet stands for a run's occurrence as well."""
        occurrence = occurrence_of(run_id)
        return occurrence is not None and self._recovered.has_skipped(uid, *occurrence)

    def revoking(self, uid: str) -> list[AttemptKey]:
        """Runs of the job that workers were asked to drop and have not answered for."""
        return self._agenda.revoking(uid)

    # -- what becomes due --------------------------------------------------------------------

    def step(self, now_ms: int, most: int) -> int:
        """Computes so much of what has come inside the look-ahead; returns how much that was."""
        return self._expansion.step(now_ms, most)

    def next_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        return self._agenda.next_ms()

    def is_due(self, uid: str, now_ms: int) -> bool:
        """Whether `step` has still to look at something of a job."""
        return self._agenda.is_due(uid, now_ms)

    # -- what became of it -------------------------------------------------------------------

    def take_back_ahead(self, uid: str, now_ms: int) -> list[LiveRun]:
        """Takes back what was handed out ahead of its instant; see Revoking."""
        return self._revoking.take_back_ahead(uid, now_ms)

    def take_back_missed(self, now_ms: int) -> list[LiveRun]:
        """Takes back what could not be published for too long; see Revoking."""
        return self._revoking.take_back_missed(now_ms)

    def confirm(self, key: AttemptKey, *, started: bool, now_ms: int) -> bool:
        """Workers dropped a run of a cursor, or had begun with it; False: none is to be dropped."""
        return self._revoking.confirm(key, started=started, now_ms=now_ms)

    def heard(self, run: LiveRun) -> None:
        """The outcome of a run has come; it stays, though it may have been taken back."""
        self._revoking.heard(run)

    def go_on(self, run: LiveRun, now_ms: int) -> None:
        """A run has ended: whatever stood still because of it is looked at again."""
        self._expansion.go_on(run, now_ms)

    # -- what is stored ----------------------------------------------------------------------

    def settle(self, run: LiveRun, now_ms: int) -> None:
        """The cursor's row need not stand for a run any more."""
        self._expansion.settle(run, now_ms)

    def skip_stored(self, record: Run) -> Job | None:
        """A skipped stretch is recorded, as far as the record says; its job, while that is near."""
        return self._rows.skip_stored(record)

    def take_advance(self, now_ms: int) -> Advance:
        """Rows to move, for all that is recorded. A crash before they are written is harmless."""
        return self._rows.take_advance(now_ms)

    def entry_ms(self) -> Iterator[int]:
        """Where the rows stand."""
        return self._rows.entry_ms()
