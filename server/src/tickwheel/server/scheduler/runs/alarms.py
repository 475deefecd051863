"""What time brings about for runs: hand-outs, time-outs, silence, and a word on what is overdue."""

from tickwheel.server.domain.report import Failure
from tickwheel.server.domain.run import Run
from tickwheel.server.scheduler.live import REPORTABLE, LiveRun, Phase
from tickwheel.server.scheduler.reports import SILENCE_MS
from tickwheel.server.scheduler.runs.endings import Endings
from tickwheel.server.scheduler.runs.following import Following
from tickwheel.server.scheduler.runs.live_runs import LiveRuns, overdue_ms
from tickwheel.server.scheduler.terms import run_timeout_ms
from tickwheel.server.scheduler.timers import Timer

#: Handed out, or about to be.
_TO_BE_PUBLISHED = frozenset({Phase.READY, Phase.ASSIGNED, Phase.DROPPED})


class Alarms:
    """Those of one segment's runs."""

    def __init__(self, live: LiveRuns, endings: Endings, following: Following) -> None:
        self._live = live
        self._endings = endings
        self._following = following

    def step(self, now_ms: int) -> None:
        """Does what has come due."""
        timers = self._live.timers
        for timer, key in timers.ring(now_ms):
            run = self._live.at(key)
            if run is not None:
                self._ring(timer, run, now_ms)
        timers.weed(len(self._live), lambda key: self._live.at(key) is not None)

    def next_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        return self._live.timers.next_ms()

    # -- what executors are expected to say --------------------------------------------------

    def expect_end(self, run: LiveRun, record: Run) -> None:
        """Its attempt is on the log: its end is to be reported within its time-out."""
        run.deadline_ms = record.publish_ms + run_timeout_ms(run.job.spec)
        self._live.timers.set(run.deadline_ms, Timer.DEADLINE, run.key)

    def hear(self, run: LiveRun, now_ms: int) -> None:
        """An executor has said that it is at work; from here on its silence is noticed."""
        if not run.silent_ms:
            self._live.timers.set(now_ms + SILENCE_MS, Timer.SILENCE, run.key)
        run.silent_ms = now_ms + SILENCE_MS

    def forgive_silence(self, now_ms: int) -> None:
        """Executors could not be heard until now: their silence counts from here on."""
        for run in self._live.in_phase(Phase.RUNNING):
            if run.silent_ms:
                self.hear(run, now_ms)

    # -- what rings --------------------------------------------------------------------------

    def _ring(self, timer: Timer, run: LiveRun, now_ms: int) -> None:
        match timer:
            case Timer.OVERDUE:
                self._overdue(run, now_ms)
            case Timer.LINGERING:
                self._linger(run, now_ms)
            case Timer.HAND_OUT:
                if run.phase is Phase.BACKOFF:
                    self._following.come_near(run, now_ms)
            case Timer.DEADLINE:
                if run.phase in REPORTABLE and 0 < run.deadline_ms <= now_ms:
                    why = Failure(
                        message="no executor has reported its end within the run's time-out",
                        type="run-timeout",
                    )
                    self._endings.attempt_over(run, why, now_ms, retryable=True)
            case Timer.SILENCE:
                self._silence(run, now_ms)

    def _overdue(self, run: LiveRun, now_ms: int) -> None:
        # The timer may be that of a run of the same name that was taken back.
        if overdue_ms(run) <= now_ms and run.phase in _TO_BE_PUBLISHED:
            if run.phase is not Phase.DROPPED and _is_untold(run, now_ms):
                self._live.announce(run, now_ms)
            late_ms = max(run.opened_ms, overdue_ms(run)) + self._live.patience_ms
            self._live.timers.set(late_ms, Timer.LINGERING, run.key)

    def _linger(self, run: LiveRun, now_ms: int) -> None:
        """A run that is long overdue goes on by a row of its own."""
        if run.phase is Phase.DROPPED:
            # If it is not dropped in the end it lingers, too.
            self._live.timers.set(now_ms + self._live.patience_ms, Timer.LINGERING, run.key)
        elif run.phase in _TO_BE_PUBLISHED and not run.has_row:
            self._live.keep_row(run, run.record or self._live.announce(run, now_ms))
            self._live.lingering.add(run)
            if run.cursor is not None and run.cursor.backfill_id:
                # It may have been changed after a worker had begun with the run.
                self._live.go_by(run, run.cursor.job)

    def _silence(self, run: LiveRun, now_ms: int) -> None:
        if run.phase is not Phase.RUNNING or not run.silent_ms:
            return
        if run.silent_ms > now_ms:
            self._live.timers.set(run.silent_ms, Timer.SILENCE, run.key)
            return
        message = f"the executor was silent for {SILENCE_MS // 1000} s"
        why = Failure(message=message, type="heartbeat-missed")
        self._endings.attempt_over(run, why, now_ms, retryable=True)


def _is_untold(run: LiveRun, now_ms: int) -> bool:
    """Whether no record says that the run is overdue, or none that a limit holds it back."""
    return run.record is None or run.record.held_by is not run.held(now_ms)[0]
