"""Brings the auditor the facts of a simulation: what clients were told, the store, the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from simulator.cluster import Cluster
from simulator.jobs import USER
from simulator.log import Entry
from simulator.plan import Plan
from simulator.process import SimClock
from simulator.store.engine import SimStore
from simulator.store.link import DirectLink
from simulator.told import Told
from tickwheel.server.audit.checker import Case, check
from tickwheel.server.audit.facts import LogRecord, Rules, Subject
from tickwheel.server.audit.findings import Finding, Tally
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
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store

_EVER_MS = 1 << 60


@dataclass(slots=True)
class Verdict:
    """What the auditor says."""

    findings: list[Finding] = field(default_factory=list[Finding])
    tally: Tally = field(default_factory=Tally)


async def judge(
    plan: Plan, cluster: Cluster, told: Sequence[Told], clock: SimClock, rules: Rules
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
    for topic in cluster.log.topics.values():
        for entry in topic:
            record = record_of(entry, plan.start_ms)
            records.setdefault(record.uid, []).append(record)
    states: dict[str, list[Run]] = {}
    for run in await store.runs.read_log(range(plan.segments), 0):
        states.setdefault(run.job_uid, []).append(run)
    by_hand: dict[tuple[str, str], Run] = {}
    for uid, subject in subjects.items():
        runs = await read_runs(store, subject.job, 0, _EVER_MS)
        by_hand.update({(uid, run.run_id): run for run in runs})
        case = Case(subject, runs, records.pop(uid, []), states.get(uid, []))
        verdict.findings.extend(check(case, rules, verdict.tally))
    verdict.findings.extend(check_promises(promises, subjects, by_hand, verdict.tally))
    for uid, lost in records.items():
        raise AssertionError(f"{len(lost)} records of {uid}, which is no job")
    return verdict


def record_of(entry: Entry, start_ms: int) -> LogRecord:
    """A record on the log as its headers describe it."""
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
            version = int(response.etag.strip('"').split("-")[0], 16)
            return Changed(name, response.uid, version, call.ended_ms)
        case "DeleteJob":
            return Deleted(name, call.ended_ms)
        case "RunJob":
            return Triggered(name, response.name.rpartition("/")[2], call.request_id)
        case _:
            return None
