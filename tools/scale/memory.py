"""What a process holds of jobs: of those that come due within the look-ahead, and of the others."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tickwheel.server.bench.bench import Bench, until, whole_second_after
from tickwheel.server.bench.cluster import Cluster
from tickwheel.server.bench.firing import fire
from tickwheel.server.bench.jobs import PAYLOAD, once
from tickwheel.server.bench.measure import memory_mib
from tickwheel.server.bench.topic import Topic

#: From the last submission on. Schedulers read what is due within 20 s as it is created, and within
#: 5 s from the schedule: before that they are to have no reason to know of these jobs.
_LEAD_S = 60.0
_OUTSIDE_S = 25.0
_SAMPLED_S = 8.0
#: The last look before the instant.
_LAST_S = 0.3
_SAMPLE_S = 0.1
_SUBMIT_PER_S = 2_000
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one process held (VmRSS), in MiB."""

    process: str
    jobs: int
    #: Before there were jobs; then of a new process when all were stored and none was near.
    empty_mib: int
    stored_mib: int
    #: Shortly before the instant, when all were within the look-ahead; and the most until then.
    ahead_mib: int
    peak_mib: int
    load_average: float

    @property
    def other_bytes(self) -> float:
        """For each job that is stored and not near."""
        return (self.stored_mib - self.empty_mib) * _MIB / self.jobs

    @property
    def ahead_bytes(self) -> float:
        """For each job within the look-ahead, beside its payload."""
        return (self.ahead_mib - self.stored_mib) * _MIB / self.jobs - len(PAYLOAD.text)

    @property
    def peak_bytes(self) -> float:
        """Likewise at the most."""
        return (self.peak_mib - self.stored_mib) * _MIB / self.jobs - len(PAYLOAD.text)


async def memory(jobs: int, bench: Bench, topic: Topic, say: Callable[[str], None]) -> list[Held]:
    """Has so many jobs come due in one instant, and watches those who hand them out.

    Raises:
        RuntimeError: a run is missing.
    """
    cluster = bench.cluster
    schedulers = cluster.named("scheduler")
    watched = sorted({*schedulers, *cluster.named("worker")})
    empty = _held(cluster)
    due_s = whole_second_after(_LEAD_S + jobs / _SUBMIT_PER_S)
    stored: Mapping[str, int] = {}
    ahead: Mapping[str, int] = {}
    peak: dict[str, int] = {}

    async def watch() -> None:
        nonlocal stored, ahead
        # What the submission has left behind is not to count.
        await cluster.stop(*schedulers)
        await cluster.start(*schedulers)
        say(f"{jobs:,} jobs are stored")
        await until(due_s - _OUTSIDE_S)
        stored = _held(cluster)
        await until(due_s - _SAMPLED_S)
        while time.time() < due_s - _LAST_S:
            ahead = _held(cluster)
            peak.update({name: max(mib, peak.get(name, 0)) for name, mib in ahead.items()})
            await asyncio.sleep(_SAMPLE_S)

    due_ms = int(due_s * 1000)
    fired = await fire(
        bench, topic, [once(topic.name, due_ms)] * jobs, lambda _: (due_ms,), between=watch
    )
    if fired.verdict.missing:
        raise RuntimeError(f"{fired.verdict.missing} of {jobs} runs are missing")
    return [
        Held(
            process=name,
            jobs=jobs,
            empty_mib=empty[name],
            stored_mib=stored[name],
            ahead_mib=ahead[name],
            peak_mib=peak[name],
            load_average=os.getloadavg()[0],
        )
        for name in watched
    ]


def _held(cluster: Cluster) -> dict[str, int]:
    parts = cluster.parts()
    return {name: memory_mib(part.pid, "VmRSS") for name, part in parts.items() if part.ours}
