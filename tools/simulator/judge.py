"""Brings the auditor the facts of a simulation: what clients were told, the store, the log."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from simulator.answers import check_answers, version_of
from simulator.backfills import check_counts, check_records
from simulator.cluster import Cluster
from simulator.executor import Ended, Executor
from simulator.failures import DEAD_LETTERS, check_failures, letters_of
from simulator.jobs import USER
from simulator.log import Entry
from simulator.plan import Plan
from simulator.process import SimClock
from simulator.residue import check_residue
from simulator.store.engine import SimStore
from simulator.store.link import DirectLink
from simulator.told import Told
from tickwheel.server.audit.checker import Case, check
from tickwheel.server.audit.facts import LogRecord, Rules, Subject
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.audit.promises import (
    Changed,
    Created,
    Deleted,
    Promise,
    Refused,
    Triggered,
    check_promises,
    sure_times,
)
from tickwheel.server.audit.reading import read_runs, read_subject
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.store.port import Store
from tickwheel.v1 import run_pb2

_EVER_MS = 1 << 60
#: A handler takes less, and so do its reports once nothing is wrong any more.
_LONGEST_WORK_MS = 20_000


@dataclass(slots=True)
class Verdict:
    """What the auditor says."""

    findings: list[Finding] = field(default_factory=list[Finding])
    tally: Tally = field(default_factory=Tally)


async def judge(
    plan: Plan,
    cluster: Cluster,
    told: Sequence[Told],
    executor: Executor,
    clock: SimClock,
    rules: Rules,
) -> Verdict:
    """Audits everything."""
    verdict = Verdict()
    store: Store = SimStore(cluster.cells, DirectLink(), clock)
    jobs = await store.jobs.get_many(cluster.cells.jobs)
    plain = {job.uid: await read_subject(store, job) for job in jobs.values()}
    promises = list(promises_of(told))
    sure = sure_times(promises, plain)
    subjects: dict[str, Subject] = {
        job.uid: await read_subject(store, job, sure.get(job.uid)) for job in jobs.values()
    }
    records: dict[str, list[LogRecord]] = {}
    begun_ms: dict[tuple[str, int], int] = {}
    for name, topic in cluster.log.topics.items():
        # Dead letters have the ce_id of the record that they stand for.
        for entry in () if name.endswith(DEAD_LETTERS) else topic:
            record = record_of(entry, plan.start_ms, cluster.log.told.get(entry.record.run, ()))
            records.setdefault(record.uid, []).append(record)
            begun_ms[record.topic, record.offset] = plan.start_ms + entry.begun_us // 1000
    letters = letters_of(cluster.log.topics)
    states: dict[str, list[Run]] = {}
    # The log leaves out what a later owner seems not to have known, also where it ought to have.
    log = await store.runs.read_log(range(plan.segments), 0)
    for run in (*log, *cluster.cells.ends_in_time):
        states.setdefault(run.job_uid, []).append(run)
    by_hand: dict[tuple[str, str], Run] = {}
    of_jobs = dict(records)
    for uid, subject in subjects.items():
        runs = await read_runs(store, subject.job, 0, _EVER_MS)
        by_hand.update({(uid, run.run_id): run for run in runs})
        case = Case(subject, runs, records.pop(uid, []), states.get(uid, []))
        verdict.findings.extend(check_records(case, begun_ms, rules.clock_ms))
        verdict.findings.extend(check_failures(case, letters))
        # A job that could not be paused in the end goes on, and so do its last runs.
        verdict.findings.extend(
            finding
            for finding in check(case, rules, verdict.tally)
            if finding.fault is not Fault.UNFINISHED
            or not _may_be_at_work(by_hand[uid, finding.run_id], clock.now_ms())
        )
    unsure = {call.job for call in told if not (call.is_ok or call.is_refused)}
    verdict.findings.extend(check_residue(cluster, clock.now_ms(), len(unsure)))
    verdict.findings.extend(check_counts(told, by_hand))
    verdict.findings.extend(check_answers(told, subjects, by_hand, of_jobs, begun_ms))
    verdict.findings.extend(_check_ends(executor, by_hand, clock.now_ms()))
    verdict.findings.extend(check_promises(promises, subjects, by_hand, verdict.tally))
    for uid, lost in records.items():
        raise AssertionError(f"{len(lost)} records of {uid}, which is no job")
    return verdict


def _may_be_at_work(run: Run, now_ms: int) -> bool:
    """Whether an executor may still have a run."""
    at_work = run.state in (RunState.PUBLISHED, RunState.RUNNING)
    return at_work and run.due_ms > now_ms - _LONGEST_WORK_MS


def _check_ends(
    executor: Executor, runs: Mapping[tuple[str, str], Run], now_ms: int
) -> Iterator[Finding]:
    """Whether each end that was taken from the executor is there, and all were answered."""
    for end in executor.ended:
        run = runs.get((end.uid, end.run_id))
        if run is None or not _is_kept(end, run):
            there = "nothing" if run is None else f"{run.state.name} at attempt {run.attempt}"
            said = run_pb2.RunState.Name(end.state)
            text = f"the executor was told that {said} of attempt {end.attempt} is stored; {there}"
            yield Finding(Fault.CONTRADICTED, end.uid, end.run_id, text)
    for entry, since_ms in executor.busy.items():
        if now_ms - since_ms > _LONGEST_WORK_MS:
            text = f"the executor of {entry.record.run} has no answer since {since_ms}"
            yield Finding(Fault.UNFINISHED, "executor", "", text)


def _is_kept(end: Ended, run: Run) -> bool:
    if end.state == run_pb2.RUN_STATE_FAILED:
        # Another attempt may have followed, or a cancellation was asked for.
        return run.attempt > end.attempt or run.state in (RunState.FAILED, RunState.CANCELLED)
    return run.state.value == end.state


def record_of(entry: Entry, start_ms: int, told: Sequence[tuple[int, int]] = ()) -> LogRecord:
    """A record on the log as its headers describe it; `told` as in SimLog."""
    record = entry.record
    headers = dict(record.headers)
    uid, run_id, attempt = headers["ce_id"].decode().split("/")[:3]
    due = headers["ce_time"].decode()
    return LogRecord(
        topic=record.topic,
        partition=0,
        offset=entry.offset,
        given_ms=start_ms + entry.given_us // 1000,
        uid=uid,
        run_id=run_id,
        attempt=int(attempt),
        fence=int(headers["ce_fence"]),
        due_ms=_instant_ms(due),
        key=record.key or b"",
        value=record.value,
        is_heard=entry.heard_by is not None and entry.heard_by.alive,
        told=[(epoch, start_ms + at_us // 1000) for epoch, at_us in told],
    )


def promises_of(told: Sequence[Told]) -> list[Promise]:
    """What clients may rely on."""
    promises: list[Promise] = []
    for call in told:
        made = [_promise(one) for one in (call.items or [call]) if one.is_ok]
        promises.extend(promise for promise in made if promise is not None)
        if call.step.act == "wrong" and call.is_refused:
            promises.append(Refused(JobName(USER, call.job)))
    return promises


def _instant_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _promise(call: Told) -> Promise | None:
    name = JobName(USER, call.job)
    response = call.response
    match call.method:
        case "CreateJob":
            # A job whose id was not chosen has another name.
            name = JobName(USER, response.name.rpartition("/")[2])
            return Created(name, response.uid, call.request_id)
        case "UpdateJob" | "PauseJob" | "ResumeJob":
            return Changed(name, response.uid, version_of(response), call.ended_ms)
        case "DeleteJob":
            return Deleted(name, call.ended_ms)
        case "RunJob" | "RetryRun":
            return Triggered(name, response.name.rpartition("/")[2], call.request_id)
        case _:
            return None
