"""W6: what stored jobs cost that are not due for months. Few against many, in pairs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tickwheel.server.bench.bench import BATCH, SETTLE_S, bench_of
from tickwheel.server.bench.cluster import Cluster, Lab
from tickwheel.server.bench.jobs import once
from tickwheel.server.bench.measure import BENCH, Bill, memory_mib
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.stats import median
from tickwheel.server.bench.w3_steady import steady
from tickwheel.server.bench.workloads import Standing

_MONTH_MS = 30 * 86_400_000
_CHUNK = 20 * BATCH


@dataclass(frozen=True, slots=True)
class _Sample:
    """One round on one of the two stores."""

    ready_s: float
    idle_share: float
    memory_mib: int
    cpu_s_per_1000: float


async def standing(work: Standing, lab: Lab, say: Callable[[str], None]) -> Result:
    """Runs W6.

    Raises:
        NotPossible: the lab has but one store, or its schedulers are not ours to restart.
    """
    stores = {"few": work.few, "many": work.many}
    for store, count in stores.items():
        async with lab.open(store) as cluster:
            await _fill(cluster, count, say)
    samples: dict[str, list[_Sample]] = {store: [] for store in stores}
    for pair in range(work.pairs):
        # Each goes first in turn, so that what comes before is not always the same.
        for store in sorted(stores, reverse=bool(pair % 2)):
            say(f"pair {pair + 1} of {work.pairs}, {stores[store]:,} stored")
            async with lab.open(store) as cluster:
                samples[store].append(await _sample(work, cluster, say))
    ratios = [
        many.cpu_s_per_1000 / few.cpu_s_per_1000
        for few, many in zip(samples["few"], samples["many"], strict=True)
        if few.cpu_s_per_1000
    ]
    return Result(
        workload="W6",
        title=work.title,
        engine=lab.engine,
        figures={
            "CPU per run, many : few (median of pairs)": round(median(ratios), 3),
            **_figures(samples["few"], f"{work.few:,}"),
            **_figures(samples["many"], f"{work.many:,}"),
        },
        notes=("pairs: " + ", ".join(f"{ratio:.3f}" for ratio in ratios),),
    )


async def _fill(cluster: Cluster, count: int, say: Callable[[str], None]) -> None:
    first_ms = int(time.time() * 1000) + _MONTH_MS
    apart_ms = 2 * _MONTH_MS / count
    async with bench_of(cluster, say) as bench:
        for start in range(0, count, _CHUNK):
            numbers = range(start, min(start + _CHUNK, count))
            await bench.put_in(
                [once("tickwheel-bench-standing", first_ms + int(n * apart_ms)) for n in numbers]
            )
            say(f"{numbers.stop:,} of {count:,} stored")


async def _sample(work: Standing, cluster: Cluster, say: Callable[[str], None]) -> _Sample:
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
        spent = await steady(work.steady, bench)
    return _Sample(
        ready_s=ready_s,
        idle_share=idle.ours_cpu_s / idle.seconds,
        memory_mib=held,
        cpu_s_per_1000=sum(
            cost.cpu_s_per_1000 or 0 for cost in spent.costs if cost.ours and cost.process != BENCH
        ),
    )


def _figures(samples: list[_Sample], stored: str) -> dict[str, float]:
    return {
        f"{stored}: CPU-s per 1,000": round(median([s.cpu_s_per_1000 for s in samples]), 4),
        f"{stored}: idle, % of a core": round(100 * median([s.idle_share for s in samples]), 2),
        f"{stored}: start to ready s": round(median([s.ready_s for s in samples]), 2),
        f"{stored}: memory of ours MiB": median([s.memory_mib for s in samples]),
    }
