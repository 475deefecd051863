"""A run's way: how it comes in, what workers do with it, and what follows once that is stored."""

from collections.abc import Iterable
from dataclasses import dataclass

from tickwheel.server.domain.job import Job
from tickwheel.server.domain.report import Failure
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.scheduler.ledger import Batch
from tickwheel.server.scheduler.lingering import PATIENCE_MS
from tickwheel.server.scheduler.live import (
    REPORTABLE,
    UNPUBLISHED,
    AttemptKey,
    LiveRun,
    Phase,
    live_run_of,
)
from tickwheel.server.scheduler.overlap import Go, Verdict, admit
from tickwheel.server.scheduler.override import decode_override
from tickwheel.server.scheduler.reports import error_fields, why_cancelled
from tickwheel.server.scheduler.runs.alarms import Alarms
from tickwheel.server.scheduler.runs.endings import Endings
from tickwheel.server.scheduler.runs.following import Following
from tickwheel.server.scheduler.runs.live_runs import LiveRuns
from tickwheel.server.scheduler.terms import is_reported
from tickwheel.v1 import scheduler_service_pb2

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


class Runs(LiveRuns):
    """The runs of one segment under one epoch."""

    def __init__(self, segment: int, epoch: int, patience_ms: int = PATIENCE_MS) -> None:
        super().__init__(segment, epoch, patience_ms)
        self.endings = Endings(self)
        self.following = Following(self, self.endings)
        self.alarms = Alarms(self, self.endings, self.following)
        self._dropped: list[LiveRun] = []

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
        self.add(run)
        self.queue(run, now_ms)
        # What is overdue already is about to be handed out, or to be held back by a limit.
        self.look_when_overdue(run, not_before_ms=now_ms + SETTLED_AFTER_MS)

    def hold(self, run: LiveRun, blocking: str, now_ms: int) -> Run:
        """A new run that waits for an earlier one."""
        run.opened_ms = now_ms
        run.phase = Phase.WAITING
        self.add(run)
        record = run.as_run(RunState.PENDING, now_ms, self.epoch, blocking_run=blocking)
        self.ledger.add(record)
        self.keep_row(run, record)
        return record

    def skip(self, run: LiveRun, reason: int, blocking: str, now_ms: int) -> Run:
        """A run with a row of its own that does not run."""
        self.add(run)
        return self.endings.skipped(run, reason, blocking, now_ms)

    def adopt(self, record: Run, job: Job, now_ms: int, *, has_row: bool) -> LiveRun | None:
        """Goes on with a run that a former owner has left; None where nothing is left to do."""
        run = live_run_of(record, job)
        run.has_row = has_row
        override = decode_override(record.detail)
        run.payload, run.content_type = override.payload, override.content_type
        if record.state is RunState.FAILED and not record.dead_letter_topic:
            self.done[run.name] = record.update_ms
            run.dead_letter = True
            self.add(run)
            self.queue(run, now_ms)
        elif record.state.is_final:
            self.done[run.name] = record.update_ms
            self.ledger.close(record, has_row=has_row)
            return None
        else:
            self._adopt_open(run, record, now_ms)
        if not has_row:
            self.keep_row(run, record)
        return run

    def _adopt_open(self, run: LiveRun, record: Run, now_ms: int) -> None:
        self.done[run.name] = record.update_ms
        has_waited = bool(record.blocking_run) and record.attempt == 1
        is_deleted = bool(run.job.delete_ms)
        if record.state is RunState.PENDING and has_waited and not is_deleted:
            run.phase = Phase.WAITING
            self.add(run)
        elif record.state is RunState.PENDING:
            self.add(run)
            if record.attempt > 1:
                # Whoever reports its end, or nobody: it follows its job.
                self.unfinished.add(run)
            elif not has_waited:
                self.lingering.add(run)
            has_no_more = has_waited or record.attempt > 1
            if self.following.is_of_deleted_job(run) or (is_deleted and has_no_more):
                self.following.put_off(run, now_ms)
            else:
                self.queue(run, now_ms)
        else:
            is_running = record.state is RunState.RUNNING
            run.phase = Phase.RUNNING if is_running else Phase.PUBLISHED
            self.add(run)
            # Its job may need no reports any more: what follows on this attempt goes by it.
            self.unfinished.add(run)
            self.alarms.expect_end(run, record)
            if is_running and record.progress_ms:
                self.alarms.hear(run, now_ms)

    def drop(self, run: LiveRun) -> None:
        """A run that was taken back before it fired, as if it had never been."""
        self.remove(run)
        self.lingering.discard(run)
        self._dropped.append(run)

    def take_dropped(self) -> list[LiveRun]:
        """What was dropped: it may have counted towards the operator's limits."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def released(self, uid: str, now_ms: int) -> bool:
        """Hands out runs of the job whose turn has come; whether there were any."""
        released = self.unfinished.release(uid)
        for run in released:
            run.fire_ms = max(run.fire_ms, now_ms)
            self.queue(run, now_ms)
            self.look_when_overdue(run)
        return bool(released)

    # -- to and from the workers -------------------------------------------------------------

    def give_back(self, runs: Iterable[LiveRun], now_ms: int) -> None:
        """Puts runs back that no worker holds any more (or that none had room for)."""
        for run in runs:
            if run.phase is Phase.ASSIGNED and run.cancel_reason is not None:
                self.endings.cancelled(run, now_ms)
            elif run.phase in (Phase.ASSIGNED, Phase.READY):
                run.worker = ""
                self.make_ready(run)
                self.following.given_back(run, now_ms)

    def awaits_outcome(self, key: AttemptKey) -> LiveRun | None:
        """The run whose attempt somebody published or failed to; None where that is known.

        It may be a later attempt than the one that the run is at: see `come_to`.
        """
        find = self.dead_letter_of if key.dead_letter else self.find
        run = find(key.uid, key.run_id)
        if run is None or not (run.phase in UNPUBLISHED or run.phase is Phase.DROPPED):
            return None
        return run if run.attempt <= key.attempt else None

    def come_to(self, run: LiveRun, attempt: int) -> None:
        """A run is at an attempt by a worker's word, at least.

        A former owner had gone on to it, and ended before it could record what came before.
        """
        if run.attempt < attempt:
            run.attempt = attempt
            run.expire_ms = 0

    def admit_published(self, run: LiveRun) -> None:
        """A run that was published without our doing; `published` follows."""
        run.phase = Phase.ASSIGNED
        self.add(run)

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
            return self.endings.dead_lettered(run, now_ms)
        log = {
            "publish_ms": ack.publish_ms,
            "attempt_due_ms": run.attempt_due_ms(now_ms),
            "partition": ack.partition,
            "offset": ack.offset,
            "fence": fence,
            "topic": run.topic or run.job.spec.target.topic,
            "next_attempt_ms": 0,
            "blocking_run": "",
        }
        if not run.is_reported:
            end_ms = ack.publish_ms
            return self.endings.end(run, RunState.SUCCEEDED, now_ms, **log, end_ms=end_ms, error="")
        run.phase = Phase.PUBLISHED
        self.lingering.discard(run)
        if run.cancel_reason is not None:
            log |= _cancel_requested(run.cancel_reason)
        record = run.as_run(RunState.PUBLISHED, now_ms, self.epoch, **log)
        self.ledger.add(record)
        self.keep_row(run, record)
        self.alarms.expect_end(run, record)
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
            return self.endings.undeliverable(run, now_ms)
        kind = "publish-refused" if failure.refused else "publish-expired"
        why = Failure(message=failure.message, type=kind)
        return self.endings.attempt_over(run, why, now_ms, retryable=failure.refused)

    # -- cancelling --------------------------------------------------------------------------

    def cancel(self, run: LiveRun, reason: str, now_ms: int) -> None:
        """Cancels a run as far as it can be at once; a worker that holds it has to be asked."""
        if run.phase is Phase.ASSIGNED:
            run.cancel_reason = reason
            self.revoke([run])
            return
        if run.phase is Phase.DROPPED and run.attempt > 1:
            # It was asked already.
            run.cancel_reason = reason
            return
        if run.phase in REPORTABLE and run.record is not None and run.cancel_reason is None:
            # The executor is told when it starts, or with its next heartbeat.
            run.cancel_reason = reason
            state = run.record.state
            self.ledger.add(run.as_run(state, now_ms, self.epoch, **_cancel_requested(reason)))
        elif run.phase in UNPUBLISHED:
            run.cancel_reason = reason
            self.endings.cancelled(run, now_ms)

    def confirm_taken_back(self, run: LiveRun, now_ms: int, *, started: bool) -> None:
        """The worker has dropped a run that it was asked for, or (`started`) had begun with it."""
        if run.phase is Phase.ASSIGNED and run.cancel_reason is not None and not started:
            self.endings.cancelled(run, now_ms)
        elif run.phase is Phase.DROPPED:
            self.following.confirm(run, now_ms, started=started)

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
            if record.skipped_count and self.find(*name) is None:
                settled.skipped.append(record)
                continue
            self._ended(record, settled, now_ms)
        return settled

    def _ended(self, record: Run, settled: Settled, now_ms: int) -> None:
        name = (record.job_uid, record.run_id)
        run = self.find(*name)
        if run is not None:
            self.remove(run)
            settled.runs.append(run)
            settled.ended.append(run)
            if record.state is RunState.FAILED and run.job.spec.target.dead_letter_topic:
                self.endings.write_dead_letter(run, now_ms)
            return
        letter = self.dead_letter_of(*name)
        if letter is not None and letter.phase is Phase.RECORDING:
            self.remove(letter)

    def forget_before(self, position_ms: int) -> None:
        """Lets go of what only mattered for reading the schedule before the position again."""
        self.done = {name: at for name, at in self.done.items() if at >= position_ms}


def _cancel_requested(reason: str) -> dict[str, object]:
    # With the reason, which is to be known to the next owner too.
    return {"cancel_requested": True, **error_fields(why_cancelled(reason, None))}
