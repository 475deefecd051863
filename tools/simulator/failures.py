"""Judges runs that failed: none without a reason of the plan's, and each has its dead letter."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from simulator.log import REFUSED_TOPIC, Entry
from tickwheel.server.audit.checker import Case
from tickwheel.server.audit.findings import Fault, Finding
from tickwheel.server.domain.run import RunState
from tickwheel.v1 import job_pb2

#: What dead-letter topics end with.
DEAD_LETTERS = ".dlq"


def letters_of(topics: Mapping[str, Sequence[Entry]]) -> set[tuple[str, str]]:
    """Of which runs, by uid of the job and run id, the dead letter is on the log."""
    return {
        (entry.record.run.job_uid, entry.record.run.run_id)
        for name, topic in topics.items()
        if name.endswith(DEAD_LETTERS)
        for entry in topic
    }


def check_failures(case: Case, letters: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Whether the runs of a job that failed may have.

    What is published fails where the log refuses it; all else is tried for an hour, which is longer
    than a simulation. What is reported fails by its executor's word, or by its silence.
    """
    versions = case.subject.versions
    name = str(case.subject.job.name)
    is_refused = any(one.job.spec.target.topic.startswith(REFUSED_TOPIC) for one in versions)
    is_reported = any(one.job.spec.completion == job_pb2.COMPLETION_REPORTED for one in versions)
    for run in case.runs:
        if run.state is not RunState.FAILED or is_refused:
            continue
        if not is_reported:
            yield Finding(Fault.CONTRADICTED, name, run.run_id, f"failed: {run.error}")
        elif (run.job_uid, run.run_id) not in letters:
            yield Finding(Fault.VANISHED, name, run.run_id, "its dead letter is not on the log")
        elif not run.dead_letter_topic:
            yield Finding(Fault.UNFINISHED, name, run.run_id, "its dead letter is not recorded")
