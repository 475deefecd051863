"""Judges backfills: all of each is there once, and none goes on against a change of its job."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from simulator.jobs import USER
from simulator.told import Told
from tickwheel.server.audit.checker import Case
from tickwheel.server.audit.findings import Fault, Finding
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.run import Run, Trigger


def check_counts(told: Sequence[Told], runs: Mapping[tuple[str, str], Run]) -> Iterator[Finding]:
    """Whether each occurrence of a range of which a client was told is in one run, or a stretch."""
    found: Counter[tuple[str, str]] = Counter()
    for run in runs.values():
        if run.trigger is Trigger.BACKFILL:
            found[run.job_id, run.backfill_id] += max(1, run.skipped_count)
    for call in told:
        if call.method == "BackfillJob" and call.is_ok:
            asked, there = call.response.count, found[call.job, call.response.backfill_id]
            if asked != there:
                name = str(JobName(USER, call.job))
                fault = Fault.MISSING if there < asked else Fault.DOUBLED
                text = f"{there} of {asked} occurrences"
                yield Finding(fault, name, f"-b-{call.response.backfill_id}", text)


def check_records(
    case: Case, begun_ms: Mapping[tuple[str, int], int], clock_ms: int
) -> Iterator[Finding]:
    """Whether what a worker began to give to the log after a confirmed change is as that has it.

    Args:
        case: one job.
        begun_ms: when that was, by topic and offset.
        clock_ms: by how much clocks may differ.
    """
    name, all_versions = str(case.subject.job.name), case.subject.versions
    backfilled = {run.run_id for run in case.runs if run.trigger is Trigger.BACKFILL}
    for record in case.records:
        if record.run_id not in backfilled:
            continue
        at_ms = begun_ms[record.topic, record.offset]
        first = max(
            number
            for number, version in enumerate(all_versions)
            if not number or version.sure_ms + clock_ms < at_ms
        )
        versions = all_versions[first:]
        late_ms = at_ms - versions[0].sure_ms
        if versions[0].job.delete_ms:
            text = f"{late_ms} ms after the deletion was confirmed"
            yield Finding(Fault.FORBIDDEN, name, record.run_id, text)
        elif not any(version.job.payload.data == record.value for version in versions):
            text = f"{late_ms} ms after version {versions[0].job.version} was confirmed"
            yield Finding(Fault.OUTDATED, name, record.run_id, text)
