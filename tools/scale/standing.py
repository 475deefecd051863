"""What a cluster costs while nothing is due."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from engines import Instance
from localcluster import Size

from scale.lab import scale_cluster
from scale.slopes import Idle, Setting
from tickwheel.server.bench.bench import bench_of
from tickwheel.server.bench.measure import Bill

#: After the start, until caches are warm and nothing is looked for any more.
_SETTLE_S = 8.0


async def idle(
    setting: Setting,
    cassandra: Instance,
    folder: Path,
    seconds: float,
    say: Callable[[str], None],
) -> Idle:
    """Measures one setting for so many seconds."""
    size = Size(apis=1, schedulers=setting.schedulers, workers=setting.workers)
    keyspace = f"idle_{setting.segments}"
    async with (
        scale_cluster(folder, cassandra, keyspace, size=size, segments=setting.segments) as cluster,
        bench_of(cluster, say) as bench,
    ):
        say(f"{setting}")
        await asyncio.sleep(_SETTLE_S)
        bill = Bill()
        begin = await bench.reading()
        await asyncio.sleep(seconds)
        bill.add(begin, await bench.reading())

    def each_ms(kind: str, count: int) -> float:
        spent = sum(cpu_s for name, cpu_s in bill.cpu_s.items() if name.startswith(kind))
        return spent * 1000 / bill.seconds / count

    return Idle(
        schedulers=setting.schedulers,
        workers=setting.workers,
        segments=setting.segments,
        scheduler_ms=each_ms("scheduler-", setting.schedulers),
        worker_ms=each_ms("worker-", setting.workers),
        store_ms=each_ms("cassandra-", 1),
        statements=(bill.statements or 0) / bill.seconds,
        load_average=os.getloadavg()[0],
    )
