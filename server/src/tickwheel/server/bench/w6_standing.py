"""W6: what stored jobs cost that are not due for months. Few against many, in pairs."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tickwheel.server.bench.bench import BATCH, SETTLE_S, bench_of
from tickwheel.server.bench.cluster import Cluster, Lab
from tickwheel.server.bench.jobs import once
from tickwheel.server.bench.measure import BENCH, Bill, memory_mib
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.stats import median
from tickwheel.server.bench.w3_steady import fire_steadily
from tickwheel.server.bench.workloads import Standing

FEW, MANY = "few", "many"
"""The two stores."""

_MONTH_MS = 30 * 86_400_000
_CHUNK = 20 * BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round on one of the two stores."""

    #: Of the schedulers: from their start until they serve.
    ready_s: float
    #: CPU time of all parts of ours while nothing is due, as a part of a core.
    idle_share: float
    #: Of all parts of ours, while nothing is due.
    memory_mib: int
    stored_mib: int | None
    #: CPU seconds of ours for a thousand runs, submission included.
    cpu_s_per_1000: float
    #: The same of each process, the engines' too, apart by what they did.
    submitting: Mapping[str, float]
    firing: Mapping[str, float]
    statements_per_run: float | None
    missing: int
    early: int


async def standing(work: Standing, lab: Lab, say: Callable[[str], None]) -> Result:
    """Runs W6.

    Raises:
        NotPossible: the lab has but one store, or its schedulers are not ours to restart.
    """
    for store, count in counts(work).items():
        await fill(lab, store, count, say)
    pairs = [await pair(work, lab, number, say) for number in range(work.pairs)]
    return result(work, lab.engine, pairs)


def counts(work: Standing) -> dict[str, int]:
    """How many jobs each store is to have."""
    return {FEW: work.few, MANY: work.many}


async def fill(lab: Lab, store: str, count: int, say: Callable[[str], None]) -> None:
    """Stores so many jobs that are due in one to three months."""
    first_ms = int(time.time() * 1000) + _MONTH_MS
    apart_ms = 2 * _MONTH_MS / count
    async with lab.open(store) as cluster, bench_of(cluster, say) as bench:
        for start in range(0, count, _CHUNK):
            numbers = range(start, min(start + _CHUNK, count))
            await bench.put_in(
                [once("tickwheel-bench-standing", first_ms + int(n * apart_ms)) for n in numbers]
            )
            say(f"{numbers.stop:,} of {count:,} stored")


async def pair(
    work: Standing, lab: Lab, number: int, say: Callable[[str], None]
) -> dict[str, Sample]:
    """A round on each of the two stores, by their names."""
    samples: dict[str, Sample] = {}
    # Each goes first in turn, so that what comes before is not always the same.
    for store in sorted(counts(work), reverse=bool(number % 2)):
        say(f"pair {number + 1}, {counts(work)[store]:,} stored")
        async with lab.open(store) as cluster:
            samples[store] = await _sample(work, cluster, say)
    return samples


async def _sample(work: Standing, cluster: Cluster, say: Callable[[str], None]) -> Sample:
    names = cluster.named("scheduler")
    await cluster.stop(*names)
    begun = time.monotonic()
    await cluster.start(*names)
    ready_s = time.monotonic() - begun
    await asyncio.sleep(SETTLE_S)
    async with bench_of(cluster, say) as bench:
        idle = Bill()
        begin = await bench.reading()
        await asyncio.sleep(work.idle_s)
        idle.add(begin, await bench.reading())
        parts = cluster.parts()
        held = sum(memory_mib(part.pid, "VmRSS") for part in parts.values() if part.ours)
        stored = await cluster.stored_mib()
        fired = await fire_steadily(work.steady, bench)
    figures = fired.figures()
    return Sample(
        ready_s=ready_s,
        idle_share=idle.ours_cpu_s / idle.seconds,
        memory_mib=held,
        stored_mib=stored,
        cpu_s_per_1000=fired.cpu_s_per_1000,
        submitting=_costs(fired.submit, fired.verdict.expected),
        firing=_costs(fired.fire, fired.verdict.expected),
        statements_per_run=figures["statements per run"],
        missing=fired.verdict.missing,
        early=fired.verdict.lateness.early if fired.verdict.lateness else 0,
    )


def result(work: Standing, engine: str, pairs: Sequence[Mapping[str, Sample]]) -> Result:
    """What the pairs say."""
    ratios = [
        each[MANY].cpu_s_per_1000 / each[FEW].cpu_s_per_1000
        for each in pairs
        if each[FEW].cpu_s_per_1000
    ]
    samples = [sample for each in pairs for sample in each.values()]
    return Result(
        workload="W6",
        title=work.title,
        engine=engine,
        figures={
            "CPU per run, many : few (median of pairs)": round(median(ratios), 3),
            "missing": sum(each.missing for each in samples),
            "early": sum(each.early for each in samples),
            **_figures([each[FEW] for each in pairs], f"{work.few:,}"),
            **_figures([each[MANY] for each in pairs], f"{work.many:,}"),
        },
        notes=("pairs: " + ", ".join(f"{ratio:.3f}" for ratio in ratios),),
    )


def _figures(samples: Sequence[Sample], stored: str) -> dict[str, Figure]:
    statements = [s.statements_per_run for s in samples if s.statements_per_run is not None]
    mib = [s.stored_mib for s in samples if s.stored_mib is not None]
    return {
        f"{stored}: CPU-s per 1,000": round(median([s.cpu_s_per_1000 for s in samples]), 4),
        f"{stored}: idle, % of a core": round(100 * median([s.idle_share for s in samples]), 2),
        f"{stored}: start to ready s": round(median([s.ready_s for s in samples]), 2),
        f"{stored}: memory of ours MiB": median([s.memory_mib for s in samples]),
        f"{stored}: on the disk MiB": median(mib) if mib else None,
        f"{stored}: statements per run": round(median(statements), 3) if statements else None,
        **_by_process(f"{stored}: submitting,", [s.submitting for s in samples]),
        **_by_process(f"{stored}: firing,", [s.firing for s in samples]),
    }


def _by_process(title: str, costs: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    return {
        f"{title} {process} CPU-s per 1,000": round(
            median([each.get(process, 0.0) for each in costs]), 4
        )
        for process in costs[0]
    }


def _costs(bill: Bill, runs: int) -> dict[str, float]:
    """CPU seconds of each process for a thousand runs, without the measuring one."""
    costs = bill.costs(runs)
    return {cost.process: cost.cpu_s_per_1000 or 0.0 for cost in costs if cost.process != BENCH}
