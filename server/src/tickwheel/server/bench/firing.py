"""Puts jobs in, waits for their moment, judges the records: what W2 to W5 have in common."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tickwheel.server.bench.bench import AHEAD_S, PATIENCE_S, SETTLE_S, Bench, until
from tickwheel.server.bench.measure import Bill, Cost
from tickwheel.server.bench.result import Figure
from tickwheel.server.bench.topic import Topic
from tickwheel.server.bench.verdict import Occurrence, Seen, Verdict, judge
from tickwheel.v1 import job_pb2


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of a workload's jobs, and what they cost."""

    #: What was to come.
    expected: Sequence[Occurrence]
    verdict: Verdict
    #: From the last submission to the first due instant.
    lead_s: float
    submit: Bill
    fire: Bill
    #: Submissions that were made again, because the cluster could not serve them at once.
    repeated: int
    #: All records.
    seen: Sequence[Seen]

    @property
    def cpu_s_per_1000(self) -> float:
        """CPU seconds of Tickwheel's processes for a thousand runs, submission included."""
        spent = self.submit.ours_cpu_s + self.fire.ours_cpu_s
        return round(spent / self.verdict.expected * 1000, 4)

    def figures(self) -> dict[str, Figure]:
        """What all workloads report."""
        runs = self.verdict.expected
        statements = (
            None
            if self.submit.statements is None or self.fire.statements is None
            else round((self.submit.statements + self.fire.statements) / runs, 3)
        )
        return {
            "runs": runs,
            "missing": self.verdict.missing,
            "twice": self.verdict.twice,
            "foreign": self.verdict.foreign,
            "early": self.verdict.lateness.early if self.verdict.lateness else 0,
            "submissions repeated": self.repeated,
            "submitted ahead s": round(self.lead_s, 1),
            "CPU-s per 1,000": self.cpu_s_per_1000,
            "of it submitting": round(self.submit.ours_cpu_s / runs * 1000, 4),
            "statements per run": statements,
        }

    def costs(self) -> tuple[Cost, ...]:
        """Of each process."""
        whole = Bill()
        for bill in (self.submit, self.fire):
            for name, spent in bill.cpu_s.items():
                whole.cpu_s[name] = whole.cpu_s.get(name, 0.0) + spent
                whole.peak_mib[name] = max(whole.peak_mib.get(name, 0), bill.peak_mib[name])
                whole.ours[name] = bill.ours[name]
        return whole.costs(self.verdict.expected)


async def fire(
    bench: Bench,
    topic: Topic,
    jobs: Sequence[job_pb2.Job],
    due_ms: Callable[[job_pb2.Job], Sequence[int]],
    beside: Sequence[job_pb2.Job] = (),
    between: Callable[[], Awaitable[None]] | None = None,
    amid: Callable[[], Awaitable[None]] | None = None,
) -> Fired:
    """Submits the jobs in batches, waits for their records, and judges them.

    Args:
        bench: where.
        topic: that they publish to.
        jobs: as they are submitted.
        due_ms: when a job is due, in Unix milliseconds.
        beside: what was put in already and is due in the same time, as it was made.
        between: is done after the last submission; what it costs does not count.
        amid: is done once the first job is due.
    """
    submit, firing = Bill(), Bill()
    repeats = bench.repeats.count
    begin = await bench.reading()
    made = await bench.put_in(jobs)
    submitted_s = time.time()
    submit.add(begin, await bench.reading())
    expected = [Occurrence(job.uid, at) for job in [*made, *beside] for at in due_ms(job)]
    first_s = min(expected, key=lambda each: each.due_ms).due_ms / 1000
    last_s = max(expected, key=lambda each: each.due_ms).due_ms / 1000
    if between is not None:
        await between()
    await until(first_s - AHEAD_S)
    begin = await bench.reading()
    await until(first_s)
    if amid is not None:
        await amid()
    await until(last_s)
    await topic.arrived(len(expected), PATIENCE_S)
    await asyncio.sleep(SETTLE_S)
    firing.add(begin, await bench.reading())
    seen = await topic.read(len(expected))
    return Fired(
        expected=expected,
        verdict=judge(expected, seen),
        lead_s=first_s - submitted_s,
        submit=submit,
        fire=firing,
        repeated=bench.repeats.count - repeats,
        seen=seen,
    )
