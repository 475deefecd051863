"""The states that runs come to are those of the drawing in docs/state_machine.md, no more, no fewer."""

import re
from contextlib import suppress
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from scheduler.making import NOW, SECOND, assign, changed, entry_of, make_job, make_owner, notice
from scheduler.test_runs import reported
from tickwheel.server.domain.errors import TickwheelError
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import ScheduleEntry
from tickwheel.server.domain.report import Failure, Finish, Heartbeat, Report, Start
from tickwheel.server.domain.run import FINAL_STATES, Run, RunState
from tickwheel.server.scheduler.live import REPORTABLE, UNPUBLISHED, LiveRun
from tickwheel.server.scheduler.reporting import NotPublishedYetError
from tickwheel.v1 import job_pb2, scheduler_service_pb2

DRAWING = Path(__file__).resolve().parents[2] / "docs" / "state_machine.md"
#: Where a run comes from, and where it goes when it is final.
OUTSIDE = "[*]"
Arrow = tuple[str, str]

POLICIES = (
    job_pb2.OVERLAP_SKIP,
    job_pb2.OVERLAP_BUFFER_ONE,
    job_pb2.OVERLAP_BUFFER_ALL,
    job_pb2.OVERLAP_CANCEL_OTHER,
    job_pb2.OVERLAP_ALLOW_ALL,
)


def drawn() -> set[Arrow]:
    """The arrows of the drawing."""
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", DRAWING.read_text(), re.DOTALL)
    return set(re.findall(r"(\S+) --> ([^\s:]+)", drawing))


class Life(RuleBasedStateMachine):
    """One segment: its owners one after the other, their store, workers, executors, callers."""

    #: Of all examples.
    seen: set[Arrow]

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.owner = make_owner()
        self.jobs: dict[JobKey, Job] = {}
        self.log: list[Run] = []
        self.rows: dict[tuple[str, str], Run] = {}
        self.entries: list[ScheduleEntry] = []
        self.states: dict[tuple[str, str], tuple[RunState, int]] = {}
        self.held: list[LiveRun] = []

    # -- the store -------------------------------------------------------------------------------

    def settle(self) -> None:
        """What was decided is stored."""
        while batch := self.owner.take_batch():
            for record in batch.records:
                self.log.append(record)
                self.note(record)
            self.rows |= {(row.job_uid, row.run_id): row for row in batch.opened}
            for row in batch.closed:
                self.rows.pop((row.job_uid, row.run_id), None)
            self.owner.stored(batch, self.now)
        advance = self.owner.take_advance(self.now)
        gone = list(advance.remove)
        self.entries = [entry for entry in self.entries if entry not in gone] + list(advance.put)

    def note(self, record: Run) -> None:
        """Which arrows a state follows."""
        name = (record.job_uid, record.run_id)
        before = self.states.get(name)
        state = record.state
        self.states[name] = (state, record.attempt)
        steps: list[Arrow] = []
        if before is None:
            first = RunState.SKIPPED if state is RunState.SKIPPED else RunState.PENDING
            steps.append((OUTSIDE, first.name))
            # That it is due is not recorded of its own where it goes on at once.
            if first is not state or record.attempt > 1:
                steps.append((first.name, state.name))
        elif before != (state, record.attempt):
            steps.append((before[0].name, state.name))
        if state in FINAL_STATES:
            steps.append((state.name, OUTSIDE))
        Life.seen.update(steps)
        assert set(steps) <= drawn(), (steps, record)

    # -- what may happen -------------------------------------------------------------------------

    @precondition(lambda self: sum(not job.delete_ms for job in self.jobs.values()) < 3)
    @rule(
        policy=st.sampled_from((0, *POLICIES)),
        retries=st.integers(0, 1),
        every_s=st.sampled_from((0, 2)),
    )
    def create(self, policy: int, retries: int, every_s: int) -> None:
        schedule = {"every_s": every_s} if every_s else {"at_ms": self.now}
        job = reported(policy, **schedule) if policy else make_job(**schedule)
        job.spec.target.dead_letter_topic = "dead"
        job.spec.retry_policy.max_retry_count = retries
        job.spec.retry_policy.max_backoff.CopyFrom(Duration(seconds=1))
        self.jobs[job.key] = job
        first = self.now if not every_s else NOW + ((self.now - NOW) // 2000 + 1) * 2000
        self.entries.append(entry_of(job, first))
        self.owner.load(self.entries[-1:], self.jobs, self.now)

    @rule(
        seconds=st.sampled_from((0.1, 1, 3, 16, 61)),
        how=st.sampled_from(("", "published", "published", "refused")),
    )
    def time_goes_on(self, seconds: float, how: str) -> None:
        self.now += round(seconds * SECOND)
        self.owner.step(self.now)
        self.revoke(self.owner.take_revocations(), started=False)
        self.settle()
        self.held += assign(self.owner)
        while how and self.held:
            self.tell(self.held[0], how)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(("published", "published", "refused", "expired")))
    def worker_tells(self, data: st.DataObject, how: str) -> None:
        self.tell(data.draw(st.sampled_from(self.held)), how)

    def tell(self, run: LiveRun, how: str) -> None:
        self.held.remove(run)
        if how == "published":
            ack = scheduler_service_pb2.Published(publish_ms=self.now, partition=0, offset=1)
            self.owner.published(run.key, "w", self.owner.epoch, ack, self.now)
        else:
            failure = scheduler_service_pb2.PublishFailure(message="no", refused=how == "refused")
            self.owner.failed(run.key, "w", failure, self.now)
        self.settle()

    def reportable(self) -> list[LiveRun]:
        return [run for phase in REPORTABLE for run in self.owner.runs.in_phase(phase)]

    @precondition(lambda self: self.reportable())
    @rule(
        data=st.data(),
        begins=st.sampled_from(("", "start", "beat")),
        what=st.sampled_from(("", "good", "bad", "last", "gone")),
    )
    def executor_tells(self, data: st.DataObject, begins: str, what: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.reportable(), key=lambda run: run.key)))
        for each in (begins, what):
            if each:
                self.report(run, each)

    def report(self, run: LiveRun, what: str) -> None:
        assert run.record is not None
        why = Failure(message="no", type="ValueError")
        reports = {
            "start": Start(),
            "beat": Heartbeat(),
            "good": Finish(state=RunState.SUCCEEDED),
            "bad": Finish(state=RunState.FAILED, failure=why),
            "last": Finish(state=RunState.FAILED, failure=why, retryable=False),
            "gone": Finish(state=RunState.CANCELLED),
        }
        report = Report(
            job_uid=run.job.uid,
            segment=0,
            run_id=run.run_id,
            attempt=run.attempt,
            fence=run.record.fence,
            what=reports[what],
        )
        self.owner.report(report, self.now)
        self.settle()

    @rule(data=st.data(), state=st.sampled_from(list(FINAL_STATES - {RunState.SKIPPED})))
    def stale_report(self, data: st.DataObject, state: RunState) -> None:
        """Of an attempt or under a fence that is not the present one, or of what has ended."""
        if not self.states:
            return
        uid, run_id = data.draw(st.sampled_from(sorted(self.states)))
        attempt = data.draw(st.integers(1, 3))
        what = Finish(state=state)
        report = Report(job_uid=uid, segment=0, run_id=run_id, attempt=attempt, fence=99, what=what)
        with suppress(TickwheelError, NotPublishedYetError):
            assert self.owner.report(report, self.now) is None
        assert not self.owner.take_batch()

    @precondition(lambda self: self.owner.count_live())
    @rule(data=st.data(), started=st.booleans())
    def cancel(self, data: st.DataObject, started: bool) -> None:
        phases = (*UNPUBLISHED, *REPORTABLE)
        runs = [run for phase in phases for run in self.owner.runs.in_phase(phase)]
        names = sorted({run.name for run in runs if not run.dead_letter})
        if not names:
            return
        self.cancel_run(data.draw(st.sampled_from(names)), started=started)

    def cancel_run(self, name: tuple[str, str], *, started: bool) -> None:
        self.owner.cancel(*name, "no more", self.now)
        self.revoke(self.owner.take_revocations(), started=started)
        self.settle()

    @precondition(lambda self: any(not job.delete_ms for job in self.jobs.values()))
    @rule(data=st.data(), pause=st.booleans(), started=st.booleans())
    def change(self, data: st.DataObject, pause: bool, started: bool) -> None:
        """Pauses or resumes a job, or deletes it."""
        living = [job for job in self.jobs.values() if not job.delete_ms]
        before = data.draw(st.sampled_from(living))
        changes = {"paused": not before.paused} if pause else {"delete_ms": self.now}
        self.change_job(changed(before, self.now, **changes), started=started)

    def change_job(self, after: Job, *, started: bool) -> None:
        self.jobs[after.key] = after
        self.revoke(self.owner.notice(notice(after, self.now), after, self.now), started=started)
        self.settle()

    def revoke(self, runs: list[LiveRun], *, started: bool) -> None:
        """Workers drop runs, unless they have begun to publish them."""
        keys = [run.key for run in runs]
        self.owner.confirm_revoked(keys, keys if started else (), self.now)
        if not started:
            self.held = [run for run in self.held if run.key not in keys]

    @rule()
    def take_over(self) -> None:
        """The owner ends; what it had not stored is gone, and what workers hold is revoked."""
        former, self.owner = self.owner, make_owner(self.owner.epoch + 1)
        assert former.epoch < self.owner.epoch
        self.held = []
        states = [run for run in self.log if (run.job_uid, run.run_id) in self.rows]
        self.owner.recover(self.log, [*self.rows.values(), *states], self.jobs, self.now)
        past = {key: [job] for key, job in self.jobs.items()}
        self.owner.load(self.entries, self.jobs, self.now, past)
        self.owner.step(self.now)
        self.settle()


def begun(policy: int, *, retries: int = 0, every_s: int = 0, how: str = "published") -> Life:
    """A job whose first run has come due."""
    life = Life()
    life.create(policy, retries, every_s)
    life.time_goes_on(2.1 if every_s else 0.1, how)
    return life


def walk_everywhere() -> None:
    """Goes along each arrow once; that it is there does not depend on chance."""
    begun(0)
    begun(0, retries=1, how="refused")
    begun(0, how="expired")
    for begins in ("", "start"):
        for what in ("good", "bad", "last", "gone"):
            life = begun(job_pb2.OVERLAP_SKIP, retries=1)
            (run,) = life.reportable()
            for each in (begins, what):
                if each:
                    life.report(run, each)
    life = begun(0, how="")
    life.cancel_run(life.held[0].name, started=False)
    begun(job_pb2.OVERLAP_SKIP, every_s=2).time_goes_on(2.1, "")
    life = begun(job_pb2.OVERLAP_BUFFER_ONE, every_s=2)
    life.time_goes_on(2.1, "")
    (job,) = life.jobs.values()
    life.change_job(changed(job, life.now, delete_ms=life.now), started=False)


def test_runs_come_to_the_states_that_are_drawn() -> None:
    Life.seen = set()
    walk_everywhere()
    assert drawn() - Life.seen == set(), "drawn, and no run ever goes that way"
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
