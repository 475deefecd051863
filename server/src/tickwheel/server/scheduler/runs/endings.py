"""How attempts and runs end."""

from dataclasses import replace

from tickwheel.server.domain.report import Failure
from tickwheel.server.domain.run import Limit, Run, RunState
from tickwheel.server.scheduler.live import LiveRun, Phase, past_attempts
from tickwheel.server.scheduler.reports import error_fields, why_cancelled
from tickwheel.server.scheduler.runs.live_runs import LiveRuns
from tickwheel.server.scheduler.terms import backoff_ms

_NOT_ON_THE_LOG = {
    "publish_ms": 0,
    "start_ms": 0,
    "executor": "",
    "partition": -1,
    "offset": -1,
    "fence": 0,
}


class Endings:
    """Ends the attempts of one segment's runs, the runs themselves, and their dead letters."""

    def __init__(self, live: LiveRuns) -> None:
        self._live = live

    def attempt_over(
        self, run: LiveRun, why: Failure, now_ms: int, *, retryable: bool, **changes: object
    ) -> Run:
        """An attempt has failed: another one follows, or the run has failed."""
        if run.cancel_reason is not None:
            return self.cancelled(run, now_ms, why, **changes)
        policy = run.job.spec.retry_policy
        if not retryable or run.attempt > policy.max_retry_count or run.job.delete_ms:
            return self.end(run, RunState.FAILED, now_ms, **changes, **error_fields(why))
        epoch = self._live.epoch
        former = run.as_run(RunState.PENDING, now_ms, epoch, **changes, **error_fields(why))
        past = past_attempts(former, RunState.FAILED, now_ms)
        run.fire_ms = now_ms + backoff_ms(policy, run.attempt, f"{run.job.uid}/{run.run_id}")
        run.attempt += 1
        run.handed_ms, run.assigned_ms = (*run.handed_ms, run.assigned_ms), 0
        run.worker = ""
        run.expire_ms = run.deadline_ms = run.silent_ms = 0
        run.held_by, run.held_ms = Limit.NONE, 0
        record = run.as_run(
            RunState.PENDING,
            now_ms,
            epoch,
            past_attempts=past,
            next_attempt_ms=run.fire_ms,
            attempt_due_ms=run.fire_ms,
            **_NOT_ON_THE_LOG,
        )
        self._live.ledger.add(record)
        self._live.keep_row(run, record)
        self._live.lingering.discard(run)
        self._live.unfinished.add(run)
        self._live.queue(run, now_ms)
        self._live.look_when_overdue(run)
        return record

    def cancelled(
        self, run: LiveRun, now_ms: int, word: Failure | None = None, **changes: object
    ) -> Run:
        """A run ends as cancelled: by whose reason, and what its executor has said of it."""
        why = why_cancelled(run.cancel_reason or "", word)
        return self.end(run, RunState.CANCELLED, now_ms, **changes, **error_fields(why))

    def skipped(self, run: LiveRun, reason: int, blocking: str, now_ms: int) -> Run:
        """A run does not run: why, and which run is in its way, if any."""
        return self.end(
            run,
            RunState.SKIPPED,
            now_ms,
            skip_reason=reason,
            blocking_run=blocking,
            skipped_count=1,
            first_schedule_ms=run.schedule_ms,
            last_schedule_ms=run.schedule_ms,
        )

    def end(self, run: LiveRun, state: RunState, now_ms: int, **changes: object) -> Run:
        """The final state; what waits for the run learns of it once it is stored."""
        if state is RunState.SUCCEEDED and run.record is None:
            record = run.as_run(state, now_ms, self._live.epoch, **changes)
        else:
            ending = {"end_ms": now_ms, "cancel_requested": False, "next_attempt_ms": 0, **changes}
            record = run.as_run(state, now_ms, self._live.epoch, **ending)
        run.phase = Phase.RECORDING
        run.deadline_ms = run.silent_ms = 0
        self._live.lingering.discard(run)
        self._live.ledger.add(record)
        if state is RunState.FAILED and run.job.spec.target.dead_letter_topic:
            # Until its dead letter is on the log.
            self._live.keep_row(run, record)
        else:
            self._live.ledger.close(record, has_row=run.has_row)
        return record

    # -- dead letters ------------------------------------------------------------------------

    def write_dead_letter(self, run: LiveRun, now_ms: int) -> None:
        """A run has failed, which is stored: what is left of it goes to its dead-letter topic."""
        letter = replace(
            run, dead_letter=True, phase=Phase.READY, entry=None, cursor=None, fire_ms=now_ms
        )
        letter.expire_ms = 0
        letter.worker = ""
        self._live.add(letter)
        self._live.queue(letter, now_ms)

    def dead_lettered(self, letter: LiveRun, now_ms: int) -> Run:
        """The log has acknowledged a dead letter."""
        changes = {"dead_letter_topic": letter.job.spec.target.dead_letter_topic}
        if letter.record is not None:
            changes["worker"] = letter.record.worker
        return self._close(letter, now_ms, **changes)

    def undeliverable(self, letter: LiveRun, now_ms: int) -> Run:
        """The log refuses the dead letter as well: the run stays without one."""
        return self._close(letter, now_ms, worker=letter.record.worker if letter.record else "")

    def _close(self, letter: LiveRun, now_ms: int, **changes: object) -> Run:
        letter.phase = Phase.RECORDING
        record = letter.as_run(RunState.FAILED, now_ms, self._live.epoch, **changes)
        self._live.ledger.add(record)
        self._live.ledger.close(record, has_row=letter.has_row)
        return record
