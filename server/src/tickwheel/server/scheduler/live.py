"""What an owner holds in memory: jobs whose next occurrence is near, and unfinished runs."""

import enum
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from tickwheel.server.domain.course import FOR_EVER_MS, Stretches
from tickwheel.server.domain.job import Job, Payload
from tickwheel.server.domain.occurrence import EntryKind, ScheduleEntry
from tickwheel.server.domain.report import cut_details
from tickwheel.server.domain.run import Limit, PastAttempt, Run, RunState, Trigger
from tickwheel.server.schedule import Schedule
from tickwheel.server.scheduler.terms import is_reported, retention_ms

TRIGGERS = {
    EntryKind.SCHEDULE: Trigger.SCHEDULE,
    EntryKind.MANUAL: Trigger.MANUAL,
    EntryKind.RETRY: Trigger.RETRY,
    EntryKind.BACKFILL: Trigger.BACKFILL,
}
KINDS = {trigger: kind for kind, trigger in TRIGGERS.items()}
#: An error of a past attempt is kept up to this length: a run may have a hundred of them.
_PAST_ERROR_LENGTH = 512
#: So are its details, in bytes, and those of the last few alone: each state is written with them.
_PAST_DETAILS_BYTES = 4_096
_PAST_DETAILS_KEPT = 4


class AttemptKey(NamedTuple):
    """Names one record to be published: one attempt of one run, or its dead letter."""

    uid: str
    run_id: str
    attempt: int
    dead_letter: bool = False


class Phase(enum.Enum):
    """How far a live run has come."""

    #: Waits for an earlier run of its job to end.
    WAITING = enum.auto()
    #: Its next attempt is further away than the look-ahead.
    BACKOFF = enum.auto()
    #: To be handed to a worker.
    READY = enum.auto()
    #: A worker holds it.
    ASSIGNED = enum.auto()
    #: On the log; an executor has to report.
    PUBLISHED = enum.auto()
    #: An executor has reported its start.
    RUNNING = enum.auto()
    #: Its final state is on its way into the store.
    RECORDING = enum.auto()
    #: It was taken back before it fired.
    DROPPED = enum.auto()


#: With or before a worker: the log does not have the attempt.
UNPUBLISHED = frozenset({Phase.WAITING, Phase.BACKOFF, Phase.READY, Phase.ASSIGNED})
#: On the log, with an executor's word to come.
REPORTABLE = frozenset({Phase.PUBLISHED, Phase.RUNNING})


class Gate(Protocol):
    """Where runs wait for a limit over many jobs."""

    def holds(self, run: "LiveRun", now_ms: int) -> Limit:
        """Which limit keeps a run that is due; NONE: there is room, it goes at the next look."""
        ...


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run between being computed and its final state being stored."""

    job: Job
    run_id: str
    kind: EntryKind
    schedule_ms: int
    due_ms: int
    ordinal: int
    traceparent: str
    #: When the present attempt may be published; the due instant for the first.
    fire_ms: int = 0
    attempt: int = 1
    phase: Phase = Phase.READY
    worker: str = ""
    #: The state that was recorded last; None for none yet.
    record: Run | None = None
    #: Its own row, where it has one (all kinds but SCHEDULE) and that is still there.
    entry: ScheduleEntry | None = None
    #: The cursor from which it was derived; None for a run by hand and the like.
    cursor: "Cursor | None" = None
    #: It has a row among the open runs.
    has_row: bool = False
    #: In place of the job's policy; number of tickwheel.v1.Overlap, 0 for the job's own.
    overlap_policy: int = 0
    #: What differs from the job, as in its entry, and what that means.
    detail: bytes = b""
    payload: Payload | None = None
    content_type: str = ""
    retried_run: str = ""
    backfill_id: str = ""
    #: When a worker was to stop trying; see `Assignment.expire_ms`. 0 until first handed out.
    expire_ms: int = 0
    #: The attempt whose instant has been put off to where its topic's rate allows it.
    paced_attempt: int = 0
    #: When the present attempt fails unless its end is reported; 0 while it is not on the log.
    deadline_ms: int = 0
    #: It waits there until a limit lets it go; None: no limit keeps it.
    gate: Gate | None = None
    #: The limit that has held the present attempt back, and for how long.
    held_by: Limit = Limit.NONE
    held_ms: int = 0
    #: When its silence is too long; 0 before its first heartbeat.
    silent_ms: int = 0
    #: Somebody wants it cancelled, and why; None: nobody does.
    cancel_reason: str | None = None
    #: It stands for the dead letter of a run that has failed.
    dead_letter: bool = False
    #: When it was decided that it runs, and when its present attempt was handed to a worker last;
    #: 0 where a former owner did.
    opened_ms: int = 0
    assigned_ms: int = 0
    #: The topic that it was handed out for, which its job may not have any more; empty where a
    #: former owner did.
    topic: str = ""
    #: `assigned_ms` of the attempts before, as far as this owner has seen them, oldest first.
    handed_ms: tuple[int, ...] = ()
    #: Made once for each attempt, as several tables have it as their key.
    _key: AttemptKey | None = field(default=None, init=False)

    @property
    def key(self) -> AttemptKey:
        """Its name on the stream."""
        key = self._key
        if key is None or key[2:] != (self.attempt, self.dead_letter):
            key = AttemptKey(self.job.uid, self.run_id, self.attempt, self.dead_letter)
            self._key = key
        return key

    @property
    def name(self) -> tuple[str, str]:
        """The run, whichever attempt: the job's uid and the run's id."""
        return self.job.uid, self.run_id

    @property
    def is_reported(self) -> bool:
        """Whether an executor has to say how it ends."""
        return is_reported(self.job.spec)

    @property
    def policy(self) -> int:
        """The overlap policy that holds for it."""
        return self.overlap_policy or self.job.spec.overlap_policy

    @property
    def revision(self) -> int:
        """Of the state that was recorded last; 0 for none."""
        return self.record.revision if self.record else 0

    def attempt_due_ms(self, now_ms: int) -> int:
        """When the present attempt could go first: from here on it is late."""
        return max(self.fire_ms, min(self.job.could_run_ms(self.fire_ms), now_ms))

    def let_go(self, limit: Limit, at_ms: int) -> None:
        """A limit has kept the present attempt until an instant: from there on it is late."""
        held_ms = at_ms - self._could_go_ms
        if held_ms > 0:
            self.held_by = limit
            self.held_ms += held_ms
            self.fire_ms = at_ms

    def held(self, now_ms: int) -> tuple[Limit, int]:
        """The limit that holds or held the present attempt back, and for how long so far."""
        held_ms = now_ms - self._could_go_ms
        if self.gate is not None and held_ms > 0:
            limit = self.gate.holds(self, now_ms)
            if limit is not Limit.NONE:
                return limit, self.held_ms + held_ms
        return self.held_by, self.held_ms

    @property
    def _could_go_ms(self) -> int:
        # What was missed did not come here before it was opened.
        return max(self.fire_ms, self.opened_ms)

    def as_run(self, state: RunState, now_ms: int, epoch: int, **changes: Any) -> Run:
        """Its next state, which from here on is its `record`.

        Args:
            state: how far it has come.
            now_ms: when.
            epoch: the owner's.
            changes: further fields of Run that are new.
        """
        held_by, held_ms = self.held(now_ms)
        common: dict[str, Any] = {
            "state": state,
            "update_ms": now_ms,
            "epoch": epoch,
            "attempt": self.attempt,
            "worker": self.worker,
            "held_by": held_by,
            "held_ms": held_ms,
            **changes,
        }
        if self.record is not None:
            record = replace(self.record, revision=self.record.revision + 1, **common)
        else:
            common.setdefault("topic", self.job.spec.target.topic)
            common.setdefault("attempt_due_ms", self.attempt_due_ms(now_ms))
            record = Run(
                user=self.job.user,
                job_id=self.job.job_id,
                job_uid=self.job.uid,
                run_id=self.run_id,
                segment=self.job.segment,
                trigger=TRIGGERS[self.kind],
                schedule_ms=self.schedule_ms,
                due_ms=self.due_ms,
                create_ms=now_ms,
                traceparent=self.traceparent,
                retention_ms=retention_ms(self.job.spec),
                retried_run=self.retried_run,
                backfill_id=self.backfill_id,
                overlap_policy=self.overlap_policy,
                detail=self.detail,
                **common,
            )
        self.record = record
        return record


def live_run_of(record: Run, job: Job) -> LiveRun:
    """A run that a former owner has left unfinished, as its record has it; its phase is not set."""
    return LiveRun(
        job=job,
        run_id=record.run_id,
        kind=KINDS[record.trigger],
        schedule_ms=record.schedule_ms,
        due_ms=record.due_ms,
        ordinal=0,
        traceparent=record.traceparent,
        fire_ms=record.next_attempt_ms or record.attempt_due_ms or record.due_ms,
        attempt=record.attempt,
        worker=record.worker,
        record=record,
        overlap_policy=record.overlap_policy,
        detail=record.detail,
        retried_run=record.retried_run,
        backfill_id=record.backfill_id,
        held_by=record.held_by,
        held_ms=record.held_ms,
        cancel_reason=record.error if record.cancel_requested else None,
    )


def past_attempts(record: Run, state: RunState, now_ms: int) -> tuple[PastAttempt, ...]:
    """The past attempts of a run when another one follows the present one."""
    former = record.past_attempts
    kept = len(former) - (_PAST_DETAILS_KEPT - 1)
    return (
        *(replace(past, error_details="") if at < kept else past for at, past in enumerate(former)),
        _past_attempt(record, state, now_ms),
    )


def _past_attempt(record: Run, state: RunState, now_ms: int) -> PastAttempt:
    return PastAttempt(
        attempt=record.attempt,
        state=state,
        due_ms=record.attempt_due_ms or record.due_ms,
        publish_ms=record.publish_ms,
        start_ms=record.start_ms,
        end_ms=now_ms,
        worker=record.worker,
        executor=record.executor,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        fence=record.fence,
        error=record.error[:_PAST_ERROR_LENGTH],
        error_type=record.error_type,
        error_details=cut_details(record.error_details, _PAST_DETAILS_BYTES),
        held_by=record.held_by,
        held_ms=record.held_ms,
    )


#: Names a cursor; see `Cursor.id`.
CursorId = tuple[str, str]


@dataclass(slots=True, eq=False)
class Cursor:
    """A row of the schedule that stands for many occurrences, of which the first is not yet done.

    A job has one for its schedule as soon as the row lies inside the look-ahead, and one for each
    of its backfills. `next_ms` goes over the occurrences: those before it are open, done or
    skipped.
    """

    job: Job
    schedule: Schedule
    #: The row in the store.
    entry: ScheduleEntry
    next_ms: int | None
    #: Of the occurrence at `next_ms`: those before it that came due while the job was active.
    #: KEEP_ORDINAL while it is not known, which it need not be without `maxRuns`.
    ordinal: int
    #: The last occurrence that it has passed.
    passed_ms: int = 0
    #: Open runs by nominal instant: those for which the row still has to stand. In no order: what
    #: was taken back and is opened again stands behind later ones that stayed.
    open: dict[int, LiveRun] = field(default_factory=dict[int, LiveRun])
    #: Taken back, but not yet confirmed by the workers: nothing new is computed meanwhile.
    revoking: dict[AttemptKey, LiveRun] = field(default_factory=dict[AttemptKey, LiveRun])
    #: The run that stands for the last skipped occurrences, extended as long as they are adjacent.
    stretch: Run | None = None
    #: By run id the stretches that are not yet recorded as they are: their first occurrence of
    #: which nothing is recorded (instant, ordinal), and their revision.
    unstored: dict[str, tuple[int, int, int]] = field(
        default_factory=dict[str, tuple[int, int, int]]
    )
    #: What comes due later does not belong to it: its job has another schedule, or is deleted.
    until_ms: int = FOR_EVER_MS
    #: When the job was paused.
    pauses: Stretches = ()
    #: The occurrence at `next_ms` has come, and waits for runs of the job to end.
    is_waiting: bool = False
    #: Its row is in the store for certain.
    is_row_sure: bool = True
    #: The job has another schedule by now.
    is_former: bool = False
    #: Of a backfill: its id, the end of its range (exclusive), and its policy.
    backfill_id: str = ""
    end_ms: int = 0
    overlap_policy: int = 0
    #: Likewise, the `detail` of its runs.
    detail: bytes = b""
    #: Made once, as several tables have it as their key.
    _id: CursorId | None = field(default=None, init=False)

    @property
    def id(self) -> CursorId:
        """The job's uid, and which backfill of it, or which former schedule; empty: its present."""
        if self._id is None:
            which = f"@{self.entry.generation}" if self.is_former else self.backfill_id
            self._id = (self.job.uid, which)
        return self._id

    def become_former(self) -> None:
        """The job has another schedule from here on."""
        self.is_former = True
        self._id = None

    @property
    def is_counted_out(self) -> bool:
        """Whether its count has come to `maxRuns`."""
        most = self.schedule.spec.max_runs
        return bool(most) and self.ordinal >= most

    @property
    def next_due_ms(self) -> int:
        """When the occurrence at `next_ms` comes due; not to be asked where there is none."""
        return self.schedule.due(self.next_ms or 0, salt=self.job.uid)

    def go_back(self, to: tuple[int, int]) -> None:
        """Goes over its occurrences again from one on: that one's instant and ordinal.

        Where it has gone back further, and not come as far again, it stays there.
        """
        self.stretch = None
        if self.next_ms is None or to[0] < self.next_ms:
            self.next_ms, self.ordinal = to
            self.passed_ms = min(self.passed_ms, self.next_ms - 1)

    def first_open(self) -> tuple[int, int] | None:
        """Instant and ordinal of the first occurrence not yet done; None when all are."""
        candidates: list[tuple[int, int]] = []
        if self.open:
            run = self.open[min(self.open)]
            candidates.append((run.schedule_ms, run.ordinal))
        if self.revoking:
            candidates.append(min((run.schedule_ms, run.ordinal) for run in self.revoking.values()))
        candidates.extend((first_ms, ordinal) for first_ms, ordinal, _ in self.unstored.values())
        if self.next_ms is not None:
            candidates.append((self.next_ms, self.ordinal))
        return min(candidates, default=None)
