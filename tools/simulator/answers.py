"""Holds what answers said of jobs and runs against what there is of them.

That a version is there does not tell whose it is; and nobody else looks at cancellations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from simulator.told import Told
from tickwheel.server.audit.facts import LogRecord, Subject
from tickwheel.server.audit.findings import Fault, Finding
from tickwheel.server.convert.job import job_message
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run, RunState
from tickwheel.v1 import job_pb2, run_pb2

_OF_JOBS = frozenset({"CreateJob", "UpdateJob", "PauseJob", "ResumeJob"})


def check_answers(
    told: Iterable[Told],
    subjects: Mapping[str, Subject],
    runs: Mapping[tuple[str, str], Run],
    records: Mapping[str, Sequence[LogRecord]],
    begun_ms: Mapping[tuple[str, int], int],
) -> Iterator[Finding]:
    """Answers that are not true.

    Args:
        told: all calls of clients.
        subjects: all jobs, also deleted ones, by uid.
        runs: all runs, by uid of the job and run id.
        records: on the log, by uid of the job.
        begun_ms: when a worker began to give a record to the log, by topic and offset.
    """
    answered = (one for call in told for one in (call.items or [call]) if one.is_ok)
    for call in answered:
        if call.method in _OF_JOBS:
            yield from _check_job(call, subjects)
        elif call.method == "CancelRun":
            yield from _check_cancelled(call, runs, records, begun_ms)


def _check_job(call: Told, subjects: Mapping[str, Subject]) -> Iterator[Finding]:
    said: job_pb2.Job = call.response
    subject = subjects.get(said.uid)
    # One that is not there is found by others.
    versions = [one.job for one in subject.versions] if subject is not None else []
    number = version_of(said)
    if versions and not any(
        job.version == number and _bare(job) == _bare(said) for job in versions
    ):
        text = f"{call.method} was answered with a version {number} that there never was"
        yield Finding(Fault.CHANGE_LOST, said.name, "", text)


def version_of(said: job_pb2.Job) -> int:
    """Which version of a job an answer has."""
    return int(said.etag.strip('"').split("-")[0], 16)


def _bare(job: Job | job_pb2.Job) -> job_pb2.Job:
    """A job without what changes by itself."""
    message = job_pb2.Job()
    message.CopyFrom(job_message(job) if isinstance(job, Job) else job)
    for name in ("state", "etag", "update_time", "next_run_times", "recent_runs"):
        message.ClearField(name)
    return message


def _check_cancelled(
    call: Told,
    runs: Mapping[tuple[str, str], Run],
    records: Mapping[str, Sequence[LogRecord]],
    begun_ms: Mapping[tuple[str, int], int],
) -> Iterator[Finding]:
    said: run_pb2.Run = call.response
    if said.state != run_pb2.RUN_STATE_CANCELLED:
        # Its executor may still end it otherwise.
        return
    uid, run_id = said.job_uid, said.name.rpartition("/")[2]
    run = runs.get((uid, run_id))
    if run is None or run.state is not RunState.CANCELLED:
        there = "not there" if run is None else run.state.name
        text = f"its cancellation was answered as done; it is {there}"
        yield Finding(Fault.CONTRADICTED, uid, run_id, text)
    for record in records.get(uid, ()):
        late_ms = begun_ms[record.topic, record.offset] - call.ended_ms
        if record.run_id == run_id and late_ms > 0:
            text = f"{record.place} was begun {late_ms} ms after its cancellation was answered"
            yield Finding(Fault.FORBIDDEN, uid, run_id, text)
