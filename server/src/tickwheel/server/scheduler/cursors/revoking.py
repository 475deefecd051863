"""Takes back runs that have not fired: their cursor goes back, and on once the workers agree.

A run that a worker holds may be published at any moment: until the worker has said that it dropped
it, nothing new of the job is computed, or an occurrence might fire twice.
"""

from tickwheel.server.scheduler.cursors.agenda import Agenda
from tickwheel.server.scheduler.cursors.orphans import Orphans
from tickwheel.server.scheduler.cursors.recovered import Recovered
from tickwheel.server.scheduler.live import AttemptKey, Cursor, LiveRun, Phase
from tickwheel.server.scheduler.runs import Runs
from tickwheel.server.scheduler.terms import is_missed


class Revoking:
    """Runs of one segment's cursors that are taken back, or were and are not yet confirmed."""

    def __init__(self, agenda: Agenda, recovered: Recovered, orphans: Orphans, runs: Runs) -> None:
        self._agenda = agenda
        self._recovered = recovered
        self._orphans = orphans
        self._runs = runs

    def take_back(self, cursor: Cursor, *, after_ms: int) -> tuple[int, int] | None:
        """Drops a cursor's open runs due after the instant; tells where it goes back to.

        That is an instant and its ordinal; None: nothing was taken back. The caller moves it.
        """
        return self._take_back(
            cursor,
            [
                run
                for run in cursor.open.values()
                if run.due_ms > after_ms
                and run.phase in (Phase.READY, Phase.ASSIGNED)
                # Else it goes on without the cursor.
                and not run.has_row
            ],
        )

    def _take_back(self, cursor: Cursor, runs: list[LiveRun]) -> tuple[int, int] | None:
        """Drops open runs; tells the first of them, as `take_back`."""
        for run in runs:
            del cursor.open[run.schedule_ms]
            if run.phase is Phase.ASSIGNED:
                cursor.revoking[run.key] = run
            else:
                self._drop(run)
            run.phase = Phase.DROPPED
        return min(((run.schedule_ms, run.ordinal) for run in runs), default=None)

    def take_back_ahead(self, uid: str, now_ms: int) -> list[LiveRun]:
        """Takes back what was handed out ahead of its instant: another run of the job comes first.

        Whether it may go is decided anew when it is due. Returns runs to take back from workers.
        """
        cursor = self._agenda.of_job(uid)
        if cursor is None:
            return []
        before = set(cursor.revoking)
        rewind = self.take_back(cursor, after_ms=now_ms)
        if rewind is None:
            return []
        cursor.go_back(rewind)
        self._agenda.look_again(cursor, now_ms)
        return [run for key, run in cursor.revoking.items() if key not in before and run.worker]

    def take_back_missed(self, now_ms: int) -> list[LiveRun]:
        """Takes back what could not be published for longer than its job's catch-up window.

        What of that is recorded as due goes on, as at a take-over. Returns runs to take back from
        workers.
        """
        revoked: list[LiveRun] = []
        for cursor in list(self._agenda):
            missed = [
                run
                for run in cursor.open.values()
                if run.phase in (Phase.READY, Phase.ASSIGNED)
                and run.record is None
                and is_missed(cursor.job.spec, run.due_ms, now_ms)
            ]
            if cursor.backfill_id:
                continue
            rewind = self._take_back(cursor, missed)
            if rewind is None:
                continue
            # Those between them that stay open are passed over.
            cursor.go_back(rewind)
            self._agenda.look_again(cursor, now_ms)
            revoked += [run for run in missed if run.key in cursor.revoking and run.worker]
        return revoked

    def renew(self, cursor: Cursor, now_ms: int) -> list[LiveRun]:
        """Lets open runs of a backfill go by its job as it is now; returns those with a worker.

        Those follow once it has dropped them. The cursor does not go back: it may have skipped
        what comes after them. What has a row among the open runs goes on without the cursor.
        """
        for schedule_ms, run in list(cursor.open.items()):
            if run.has_row:
                continue
            if run.phase is Phase.ASSIGNED:
                del cursor.open[schedule_ms]
                cursor.revoking[run.key] = run
                run.phase = Phase.DROPPED
            elif run.phase is Phase.READY:
                self._runs.following.renew(run, cursor.job, now_ms)
        return [run for run in cursor.revoking.values() if run.worker]

    def confirm(self, key: AttemptKey, *, started: bool, now_ms: int) -> bool:
        """Workers dropped a run of a cursor, or had begun with it; False: none is to be dropped."""
        run = self._runs.at(key)
        cursor = run.cursor if run is not None else None
        if run is None or cursor is None or cursor.revoking.pop(key, None) is None:
            return False
        if started:
            run.phase = Phase.ASSIGNED
            cursor.open[run.schedule_ms] = run
        elif cursor.backfill_id:
            cursor.open[run.schedule_ms] = run
            self._runs.following.renew(run, cursor.job, now_ms)
        else:
            self._drop(run)
            self._orphans.end_outside_cursors(cursor.job, now_ms)
        self._agenda.look_again_at_all_of(key.uid, now_ms)
        return True

    def heard(self, run: LiveRun) -> None:
        """The outcome of a run has come; it stays, though it may have been taken back."""
        cursor = run.cursor
        if cursor is not None and cursor.revoking.pop(run.key, None) is not None:
            cursor.open[run.schedule_ms] = run
            self._agenda.look_again_at_all_of(run.job.uid, 0)

    def _drop(self, run: LiveRun) -> None:
        """A run that was taken back will be computed again, or is not to be any more."""
        self._runs.drop(run)
        if run.record is not None:
            self._recovered.remember(run.record)
