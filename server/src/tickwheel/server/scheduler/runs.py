"""The unfinished runs of one owned segment, from being opened to their final state. Pure.

A run's way: it is opened, a worker takes it, the log has it. Unless an executor is to report, it
has succeeded by that; else it counts as unfinished until the report, its time-out, or its
cancellation. A failed attempt is followed by the next one after its backoff, the last one by a
dead letter. What is decided here goes through the ledger into the store before anyone is told.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.report import Failure
from tickwheel.server.domain.run import Limit, Run, RunState
from tickwheel.server.scheduler.ledger import Batch, Ledger
from tickwheel.server.scheduler.lingering import PATIENCE_MS, Lingering
from tickwheel.server.scheduler.live import (
    REPORTABLE,
    UNPUBLISHED,
    AttemptKey,
    LiveRun,
    Phase,
    live_run_of,
    past_attempts,
)
from tickwheel.server.scheduler.overlap import Go, Verdict, admit
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.scheduler.reports import SILENCE_MS, error_fields, why_cancelled
from tickwheel.server.scheduler.terms import backoff_ms, is_reported, run_timeout_ms
from tickwheel.server.scheduler.timers import Timer, Timers
from tickwheel.server.scheduler.unfinished import Unfinished
from tickwheel.server.store.port import LOOK_AHEAD_MS
from tickwheel.v1 import run_pb2, scheduler_service_pb2

#: An occurrence that is not recorded this long after its due instant gets a PENDING record, so
#: that it can be read within a second.
PENDING_AFTER_MS = 700
#: So soon it is known whether a run that is overdue when it is opened can go.
SETTLED_AFTER_MS = 100


@dataclass(frozen=True, slots=True)
class Settled:
    """What became sure when a batch was stored."""

    #: Runs that no longer need the schedule's row they came from.
    runs: list[LiveRun]
    #: Runs that have ended: others of their jobs may go.
    ended: list[LiveRun]
    #: Skipped stretches.
    skipped: list[Run]


class Runs:
    """The runs of one segment under one epoch."""

    def __init__(self, segment: int, epoch: int, patience_ms: int = PATIENCE_MS) -> None:
        self.patience_ms = patience_ms
        self.segment = segment
        self.epoch = epoch
        self.ledger = Ledger()
        self.unfinished = Unfinished()
        self.lingering = Lingering()
        self._live: dict[tuple[str, str, bool], LiveRun] = {}
        self._ready: dict[AttemptKey, LiveRun] = {}
        self._timers = Timers()
        self._to_revoke: list[LiveRun] = []
        self._dropped: list[LiveRun] = []
        #: Runs that are done for the schedule since the position, and when they came to be so;
        #: reading the schedule again is therefore harmless.
        self.done: dict[tuple[str, str], int] = {}
        #: Runs (job, run id) of which workers have an outcome that is not taken in yet.
        self.foretold: set[tuple[str, str]] = set()

    # -- what can be asked -------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._live)

    def find(self, uid: str, run_id: str) -> LiveRun | None:
        """The live run of that name."""
        return self._live.get((uid, run_id, False))

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

    def first_unpublished_ms(self) -> int | None:
        """When the first run is due that is to be handed out or is with a worker; None: none is.

        What waits for an earlier run, a backoff or a limit is not behind.
        """
        waiting = (
            run for run in self._live.values() if run.phase in _WITH_WORKER and run.gate is None
        )
        return min((run.job.could_run_ms(run.fire_ms) for run in waiting), default=None)

    def taken_back(self, uid: str) -> list[AttemptKey]:
        """Lingering runs of a job's backfills that workers were asked to drop: see `_follow`."""
        runs = self.lingering.backfilled(uid)
        return [run.key for run in runs if run.phase is Phase.DROPPED]

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
        """Where the rows stand of runs that have one of their own."""
        return (run.entry.fire_ms for run in self._live.values() if run.entry is not None)

    def create_ms(self) -> set[int]:
        """When the runs were created that have a row among the open ones."""
        return {
            run.record.create_ms
            for run in self._live.values()
            if run.has_row and run.record is not None
        }

    # -- coming in ---------------------------------------------------------------------------

    def verdict(self, job: Job, policy: int, *, due: bool) -> Verdict:
        """Whether one more run of a job may go beside those that are unfinished; see `overlap`."""
        if not is_reported(job.spec):
            return Go()
        crowd = self.unfinished.crowd(job.uid)
        return admit(policy, job.spec.max_in_flight, crowd, due=due)

    def make_way(self, run: LiveRun, now_ms: int) -> None:
        """OVERLAP_CANCEL_OTHER: what is unfinished makes way for a new run."""
        reason = f"{run.run_id} has taken its place (OVERLAP_CANCEL_OTHER)"
        for other in self.unfinished.of(run.job.uid):
            self.cancel(other, reason, now_ms)

    def open(self, run: LiveRun, now_ms: int) -> None:
        """A new run: to be handed out, so that it is published at its instant."""
        if run.record is not None:
            # By a former owner's limits, or before it was taken back.
            run.let_go(run.record.held_by, run.fire_ms + run.record.held_ms)
        run.opened_ms = now_ms
        self._add(run)
        self._queue(run, now_ms)
        # What is overdue already is about to be handed out, or to be held back by a limit.
        overdue_ms = max(_overdue_ms(run), now_ms + SETTLED_AFTER_MS)
        self._timers.set(overdue_ms, Timer.OVERDUE, run.key)

    def hold(self, run: LiveRun, blocking: str, now_ms: int) -> Run:
        """A new run that waits for an earlier one."""
        run.opened_ms = now_ms
        run.phase = Phase.WAITING
        self._add(run)
        record = run.as_run(RunState.PENDING, now_ms, self.epoch, blocking_run=blocking)
        self.ledger.add(record)
        self._keep_row(run, record)
        return record

    def skip(self, run: LiveRun, reason: int, blocking: str, now_ms: int) -> Run:
        """A run with a row of its own that does not run."""
        self._add(run)
        return self.end(run, RunState.SKIPPED, now_ms, **_skipped(run, reason, blocking))

    def announce(self, run: LiveRun, now_ms: int) -> Run:
        """The PENDING record of a run that somebody waits to read."""
        record = run.as_run(RunState.PENDING, now_ms, self.epoch)
        self.ledger.add(record)
        return record

    def adopt(self, record: Run, job: Job, now_ms: int, *, has_row: bool) -> LiveRun | None:
        """Goes on with a run that a former owner has left; None where nothing is left to do."""
        run = live_run_of(record, job)
        run.has_row = has_row
        override = decode_override(record.detail)
        run.payload, run.content_type = override.payload, override.content_type
        if record.state is RunState.FAILED and not record.dead_letter_topic:
            self.done[run.name] = record.update_ms
            run.dead_letter = True
            self._add(run)
            self._queue(run, now_ms)
        elif record.state.is_final:
            self.done[run.name] = record.update_ms
            self.ledger.close(record, has_row=has_row)
            return None
        else:
            self._adopt_open(run, record, now_ms)
        if not has_row:
            self._keep_row(run, record)
        return run

    def _adopt_open(self, run: LiveRun, record: Run, now_ms: int) -> None:
        self.done[run.name] = record.update_ms
        if record.state is RunState.PENDING and record.blocking_run and record.attempt == 1:
            run.phase = Phase.WAITING
            self._add(run)
        elif record.state is RunState.PENDING:
            self._add(run)
            if record.attempt == 1:
                self.lingering.add(run)
            if self._is_of_deleted_job(run):
                self._put_off(run, now_ms)
            else:
                self._queue(run, now_ms)
        else:
            is_running = record.state is RunState.RUNNING
            run.phase = Phase.RUNNING if is_running else Phase.PUBLISHED
            self._add(run)
            self._expect_end(run, record)
            if is_running and record.progress_ms:
                self.hear(run, now_ms)

    def _add(self, run: LiveRun) -> None:
        self._live[*run.name, run.dead_letter] = run
        if run.is_reported and not run.dead_letter:
            self.unfinished.add(run)

    def drop(self, run: LiveRun) -> None:
        """A run that was taken back before it fired, as if it had never been."""
        self._live.pop((*run.name, run.dead_letter), None)
        self.unfinished.discard(run)
        self.lingering.discard(run)
        if run.is_reported:
            self._dropped.append(run)

    def take_dropped(self) -> list[LiveRun]:
        """What was dropped, of what counts towards the operator's limits once it is handed out."""
        dropped, self._dropped = self._dropped, []
        return dropped

    # -- to and from the workers -------------------------------------------------------------

    def take_ready(self) -> list[LiveRun]:
        """Runs to hand to a worker, in order of due instant, higher priority first."""
        ready = [run for run in self._ready.values() if run.phase is Phase.READY]
        self._ready = {}
        ready.sort(key=fire_then_priority)
        return ready

    def give_back(self, runs: Iterable[LiveRun], now_ms: int) -> None:
        """Puts runs back that no worker holds any more (or that none had room for)."""
        for run in runs:
            if run.phase is Phase.ASSIGNED and run.cancel_reason is not None:
                self.cancelled(run, now_ms)
            elif run.phase in (Phase.ASSIGNED, Phase.READY):
                run.phase = Phase.READY
                run.worker = ""
                self._ready[run.key] = run
                cursor = run.cursor
                if cursor is not None and cursor.backfill_id and run.job is not cursor.job:
                    # It was changed after a worker had begun with the run.
                    self.renew(run, cursor.job, now_ms)
                elif self._is_of_deleted_job(run):
                    self._put_off(run, now_ms)

    def renew(self, run: LiveRun, job: Job, now_ms: int) -> None:
        """A run that no worker holds goes by its job as it is now; of a deleted one it is skipped.

        One that was taken back is to be handed out again.
        """
        self._go_by(run, job)
        run.worker = ""
        run.expire_ms = 0
        if job.delete_ms:
            reason = _skipped(run, run_pb2.SKIP_REASON_DELETED, "")
            self.end(run, RunState.SKIPPED, now_ms, **reason)
        elif run.phase is Phase.DROPPED:
            self._queue(run, now_ms)

    def _go_by(self, run: LiveRun, job: Job) -> None:
        self.unfinished.discard(run)
        run.job = job
        if run.is_reported:
            self.unfinished.add(run)

    def _queue(self, run: LiveRun, now_ms: int) -> None:
        if run.fire_ms > now_ms + LOOK_AHEAD_MS:
            run.phase = Phase.BACKOFF
            self._timers.set(run.fire_ms - LOOK_AHEAD_MS, Timer.HAND_OUT, run.key)
        else:
            run.phase = Phase.READY
            self._ready[run.key] = run

    def awaits_outcome(self, key: AttemptKey) -> LiveRun | None:
        """The run whose attempt somebody published or failed to; None where that is known."""
        run = self.at(key)
        if run is None or not (run.phase in UNPUBLISHED or run.phase is Phase.DROPPED):
            return None
        return run

    def admit_published(self, run: LiveRun) -> None:
        """A run that was published without our doing; `published` follows."""
        run.phase = Phase.ASSIGNED
        self._add(run)

    def published(
        self,
        run: LiveRun,
        worker: str,
        fence: int,
        ack: scheduler_service_pb2.Published,
        now_ms: int,
    ) -> Run:
        """The log has acknowledged an attempt that `awaits_outcome`."""
        run.worker = worker
        # A former owner may have handed out what ours keeps.
        run.gate = None
        if run.dead_letter:
            return self._dead_lettered(run, now_ms)
        log = {
            "publish_ms": ack.publish_ms,
            "attempt_due_ms": run.attempt_due_ms(now_ms),
            "partition": ack.partition,
            "offset": ack.offset,
            "fence": fence,
            "topic": run.job.spec.target.topic,
            "next_attempt_ms": 0,
            "blocking_run": "",
        }
        if not run.is_reported:
            end_ms = ack.publish_ms
            return self.end(run, RunState.SUCCEEDED, now_ms, **log, end_ms=end_ms, error="")
        run.phase = Phase.PUBLISHED
        self.lingering.discard(run)
        if run.cancel_reason is not None:
            log |= _cancel_requested(run.cancel_reason)
        record = run.as_run(RunState.PUBLISHED, now_ms, self.epoch, **log)
        self.ledger.add(record)
        self._keep_row(run, record)
        self._expect_end(run, record)
        return record

    def failed(
        self,
        run: LiveRun,
        worker: str,
        failure: scheduler_service_pb2.PublishFailure,
        now_ms: int,
    ) -> Run:
        """An attempt that `awaits_outcome` could not be published.

        Only refusals (size, topic, rights) use up attempts. A failure that is not a
        refusal has already been retried by the worker until its expiry.
        """
        run.worker = worker
        if run.dead_letter:
            return self._undeliverable(run, now_ms)
        kind = "publish-refused" if failure.refused else "publish-expired"
        why = Failure(message=failure.message, type=kind)
        return self.attempt_over(run, why, now_ms, retryable=failure.refused)

    # -- what executors are expected to say --------------------------------------------------

    def hear(self, run: LiveRun, now_ms: int) -> None:
        """An executor has said that it is at work; from here on its silence is noticed."""
        if not run.silent_ms:
            self._timers.set(now_ms + SILENCE_MS, Timer.SILENCE, run.key)
        run.silent_ms = now_ms + SILENCE_MS

    def forgive_silence(self, now_ms: int) -> None:
        """Executors could not be heard until now: their silence counts from here on."""
        for run in self.in_phase(Phase.RUNNING):
            if run.silent_ms:
                self.hear(run, now_ms)

    def _expect_end(self, run: LiveRun, record: Run) -> None:
        run.deadline_ms = record.publish_ms + run_timeout_ms(run.job.spec)
        self._timers.set(run.deadline_ms, Timer.DEADLINE, run.key)

    # -- cancelling --------------------------------------------------------------------------

    def cancel(self, run: LiveRun, reason: str, now_ms: int) -> None:
        """Cancels a run as far as it can be at once; a worker that holds it has to be asked."""
        if run.phase is Phase.ASSIGNED:
            run.cancel_reason = reason
            self._to_revoke.append(run)
            return
        if run.phase in REPORTABLE and run.record is not None and run.cancel_reason is None:
            # The executor is told when it starts, or with its next heartbeat.
            run.cancel_reason = reason
            state = run.record.state
            self.ledger.add(run.as_run(state, now_ms, self.epoch, **_cancel_requested(reason)))
        elif run.phase in UNPUBLISHED:
            run.cancel_reason = reason
            self.cancelled(run, now_ms)

    def revoke(self, runs: Iterable[LiveRun]) -> None:
        """Workers are to be asked to drop these."""
        self._to_revoke.extend(runs)

    def take_revocations(self) -> list[LiveRun]:
        """Runs that workers are to be asked to drop."""
        revoked, self._to_revoke = self._to_revoke, []
        return revoked

    def confirm_taken_back(self, run: LiveRun, now_ms: int, *, started: bool) -> None:
        """The worker has dropped a run that it was asked for, or (`started`) had begun with it."""
        if run.phase is Phase.ASSIGNED and run.cancel_reason is not None and not started:
            self.cancelled(run, now_ms)
        elif run.phase is Phase.DROPPED and run in self.lingering:
            if started:
                run.phase = Phase.ASSIGNED
            else:
                self.renew(run, run.job, now_ms)

    def cancelled(
        self, run: LiveRun, now_ms: int, word: Failure | None = None, **changes: object
    ) -> Run:
        """A run ends as cancelled: by whose reason, and what its executor has said of it."""
        why = why_cancelled(run.cancel_reason or "", word)
        return self.end(run, RunState.CANCELLED, now_ms, **changes, **error_fields(why))

    def change_job(self, job: Job, now_ms: int) -> None:
        """Later attempts follow the job as it is now; of a deleted one there are none.

        So does what is not on the log of its backfills.
        """
        for run in self.lingering.backfilled(job.uid):
            if run.job.version < job.version:
                self._follow(run, job, now_ms)
        for run in self.unfinished.of(job.uid):
            run.job = job
            if not job.delete_ms or run.name in self.foretold:
                continue
            if run.phase is Phase.WAITING:
                self.end(
                    run, RunState.SKIPPED, now_ms, **_skipped(run, run_pb2.SKIP_REASON_DELETED, "")
                )
            elif run.phase is Phase.BACKOFF and run not in self.lingering:
                self.end(run, RunState.FAILED, now_ms)

    def _follow(self, run: LiveRun, job: Job, now_ms: int) -> None:
        """Lets a lingering run of a backfill go by its job as it is now."""
        if run.phase is Phase.ASSIGNED and run.cancel_reason is None:
            run.phase = Phase.DROPPED
            self._to_revoke.append(run)
        self._go_by(run, job)
        if run.phase is Phase.READY and job.delete_ms:
            self._put_off(run, now_ms)

    def _is_of_deleted_job(self, run: LiveRun) -> bool:
        """Whether it lingers of the backfill of a job that is deleted: it is to be skipped."""
        is_backfilled = bool(run.backfill_id) and run in self.lingering
        return is_backfilled and bool(run.job.delete_ms)

    def _put_off(self, run: LiveRun, now_ms: int) -> None:
        """Lets `step` decide: a worker may have published what is to be skipped."""
        run.phase = Phase.BACKOFF
        self._timers.set(now_ms, Timer.HAND_OUT, run.key)

    # -- how they end ------------------------------------------------------------------------

    def attempt_over(
        self, run: LiveRun, why: Failure, now_ms: int, *, retryable: bool, **changes: object
    ) -> Run:
        """An attempt has failed: another one follows, or the run has failed."""
        if run.cancel_reason is not None:
            return self.cancelled(run, now_ms, why, **changes)
        policy = run.job.spec.retry_policy
        if not retryable or run.attempt > policy.max_retry_count or run.job.delete_ms:
            return self.end(run, RunState.FAILED, now_ms, **changes, **error_fields(why))
        former = run.as_run(RunState.PENDING, now_ms, self.epoch, **changes, **error_fields(why))
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
            self.epoch,
            past_attempts=past,
            next_attempt_ms=run.fire_ms,
            attempt_due_ms=run.fire_ms,
            **_NOT_ON_THE_LOG,
        )
        self.ledger.add(record)
        self._keep_row(run, record)
        self.lingering.discard(run)
        self.unfinished.add(run)
        self._queue(run, now_ms)
        self._timers.set(_overdue_ms(run), Timer.OVERDUE, run.key)
        return record

    def end(self, run: LiveRun, state: RunState, now_ms: int, **changes: object) -> Run:
        """The final state; what waits for the run learns of it once it is stored."""
        if state is RunState.SUCCEEDED and run.record is None:
            record = run.as_run(state, now_ms, self.epoch, **changes)
        else:
            ending = {"end_ms": now_ms, "cancel_requested": False, "next_attempt_ms": 0, **changes}
            record = run.as_run(state, now_ms, self.epoch, **ending)
        run.phase = Phase.RECORDING
        run.deadline_ms = run.silent_ms = 0
        self.lingering.discard(run)
        self.ledger.add(record)
        if state is RunState.FAILED and run.job.spec.target.dead_letter_topic:
            # Until its dead letter is on the log.
            self._keep_row(run, record)
        else:
            self.ledger.close(record, has_row=run.has_row)
        return record

    def _keep_row(self, run: LiveRun, record: Run) -> None:
        if not run.has_row:
            run.has_row = True
            self.ledger.open(record)

    def _dead_lettered(self, run: LiveRun, now_ms: int) -> Run:
        topic = run.job.spec.target.dead_letter_topic
        run.phase = Phase.RECORDING
        former = run.record
        changes = {"dead_letter_topic": topic}
        if former is not None:
            changes["worker"] = former.worker
        record = run.as_run(RunState.FAILED, now_ms, self.epoch, **changes)
        self.ledger.add(record)
        self.ledger.close(record, has_row=run.has_row)
        return record

    def _undeliverable(self, run: LiveRun, now_ms: int) -> Run:
        """The log refuses the dead letter as well: the run stays without one."""
        run.phase = Phase.RECORDING
        former = run.record
        record = run.as_run(
            RunState.FAILED, now_ms, self.epoch, worker=former.worker if former else ""
        )
        self.ledger.add(record)
        self.ledger.close(record, has_row=run.has_row)
        return record

    # -- by time -----------------------------------------------------------------------------

    def step(self, now_ms: int) -> None:
        """Does what time has brought about: attempts to hand out, time-outs, overdue records."""
        for timer, key in self._timers.ring(now_ms):
            run = self.at(key)
            if run is not None:
                self._ring(timer, run, now_ms)
        self._timers.weed(len(self._live), lambda key: self.at(key) is not None)

    def _ring(self, timer: Timer, run: LiveRun, now_ms: int) -> None:
        match timer:
            case Timer.OVERDUE:
                # The timer may be that of a run of the same name that was taken back.
                if _overdue_ms(run) <= now_ms and run.phase in _TO_BE_PUBLISHED:
                    if run.phase is not Phase.DROPPED and _is_untold(run, now_ms):
                        self.announce(run, now_ms)
                    late_ms = max(run.opened_ms, _overdue_ms(run)) + self.patience_ms
                    self._timers.set(late_ms, Timer.LINGERING, run.key)
            case Timer.LINGERING:
                self._linger(run, now_ms)
            case Timer.HAND_OUT:
                if run.phase is Phase.BACKOFF:
                    self._hand_out(run, now_ms)
            case Timer.DEADLINE:
                if run.phase in REPORTABLE and 0 < run.deadline_ms <= now_ms:
                    why = Failure(
                        message="no executor has reported its end within the run's time-out",
                        type="run-timeout",
                    )
                    self.attempt_over(run, why, now_ms, retryable=True)
            case Timer.SILENCE:
                if run.phase is not Phase.RUNNING or not run.silent_ms:
                    return
                if run.silent_ms > now_ms:
                    self._timers.set(run.silent_ms, Timer.SILENCE, run.key)
                    return
                message = f"the executor was silent for {SILENCE_MS // 1000} s"
                why = Failure(message=message, type="heartbeat-missed")
                self.attempt_over(run, why, now_ms, retryable=True)

    def _hand_out(self, run: LiveRun, now_ms: int) -> None:
        """The instant of a run has come near."""
        if self._is_of_deleted_job(run) and run.name not in self.foretold:
            self.renew(run, run.job, now_ms)
        else:
            self._queue(run, now_ms)

    def _linger(self, run: LiveRun, now_ms: int) -> None:
        """A run that is long overdue goes on by a row of its own."""
        if run.phase is Phase.DROPPED:
            # If it is not dropped in the end it lingers, too.
            self._timers.set(now_ms + self.patience_ms, Timer.LINGERING, run.key)
        elif run.phase in _TO_BE_PUBLISHED and not run.has_row:
            self._keep_row(run, run.record or self.announce(run, now_ms))
            self.lingering.add(run)
            if run.cursor is not None and run.cursor.backfill_id:
                # It may have been changed after a worker had begun with the run.
                self._go_by(run, run.cursor.job)

    def next_ms(self) -> int | None:
        """When `step` has something to do next; None: nothing that is known."""
        return self._timers.next_ms()

    # -- what is stored ----------------------------------------------------------------------

    def stored(self, batch: Batch, now_ms: int) -> Settled:
        """The store has a batch; what of it settles other things."""
        settled = Settled([], [], [])
        for record in batch.opened:
            run = self.find(record.job_uid, record.run_id)
            if run is not None:
                self.done[run.name] = record.update_ms
                settled.runs.append(run)
        for record in batch.records:
            if not record.state.is_final:
                continue
            name = (record.job_uid, record.run_id)
            self.done[name] = record.update_ms
            if record.skipped_count and (run := self.find(*name)) is None:
                settled.skipped.append(record)
                continue
            self._ended(record, settled, now_ms)
        return settled

    def _ended(self, record: Run, settled: Settled, now_ms: int) -> None:
        run = self._live.pop((record.job_uid, record.run_id, False), None)
        if run is not None:
            self.unfinished.discard(run)
            settled.runs.append(run)
            settled.ended.append(run)
            if record.state is RunState.FAILED and run.job.spec.target.dead_letter_topic:
                self._write_dead_letter(run, now_ms)
            return
        key = (record.job_uid, record.run_id, True)
        letter = self._live.get(key)
        if letter is not None and letter.phase is Phase.RECORDING:
            del self._live[key]

    def _write_dead_letter(self, run: LiveRun, now_ms: int) -> None:
        letter = replace(
            run, dead_letter=True, phase=Phase.READY, entry=None, cursor=None, fire_ms=now_ms
        )
        letter.expire_ms = 0
        letter.worker = ""
        self._add(letter)
        self._queue(letter, now_ms)

    def released(self, uid: str, now_ms: int) -> bool:
        """Hands out runs of the job whose turn has come; whether there were any."""
        released = self.unfinished.release(uid)
        for run in released:
            run.fire_ms = max(run.fire_ms, now_ms)
            self._queue(run, now_ms)
            self._timers.set(_overdue_ms(run), Timer.OVERDUE, run.key)
        return bool(released)

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self.done = {name: at for name, at in self.done.items() if at >= position_ms}


#: Handed out, or about to be.
_TO_BE_PUBLISHED = frozenset({Phase.READY, Phase.ASSIGNED, Phase.DROPPED})
#: To be handed to a worker, or with one.
_WITH_WORKER = frozenset({Phase.READY, Phase.ASSIGNED})
_NOT_ON_THE_LOG = {
    "publish_ms": 0,
    "start_ms": 0,
    "executor": "",
    "partition": -1,
    "offset": -1,
    "fence": 0,
}


def _is_untold(run: LiveRun, now_ms: int) -> bool:
    """Whether no record says that the run is overdue, or none that a limit holds it back."""
    return run.record is None or run.record.held_by is not run.held(now_ms)[0]


def _overdue_ms(run: LiveRun) -> int:
    # Of one that a limit holds back that has to be known as soon.
    return max(run.fire_ms - run.held_ms, run.due_ms) + PENDING_AFTER_MS


def _cancel_requested(reason: str) -> dict[str, object]:
    # With the reason, which is to be known to the next owner too.
    return {"cancel_requested": True, **error_fields(why_cancelled(reason, None))}


def _skipped(run: LiveRun, reason: int, blocking: str) -> dict[str, object]:
    return {
        "skip_reason": reason,
        "blocking_run": blocking,
        "skipped_count": 1,
        "first_schedule_ms": run.schedule_ms,
        "last_schedule_ms": run.schedule_ms,
    }


def fire_then_priority(run: LiveRun) -> tuple[int, int]:
    """Sorts runs by the instant of their attempt, of one instant those of higher priority first."""
    return (run.fire_ms, -run.job.spec.priority)
