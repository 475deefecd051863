"""What a dev mode without work takes: until it is ready, of the CPU, and of memory."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from localcluster.health import http_obstacle

from tickwheel.server.bench.embedded import DevCluster
from tickwheel.server.bench.measure import Bill, memory_mib, read_processes

#: After the start, until nothing is looked for any more.
_SETTLE_S = 10.0
_READY_S = 60.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class DevMode:
    """All of its processes together: dev mode's own, and the gateway."""

    #: From the command until gRPC and REST say that they are ready, in seconds: on an empty folder,
    #: and on the same one again.
    first_start_s: float
    start_s: float
    #: While nothing is due.
    idle_share: float
    #: By process: what it holds then (VmRSS), in MiB.
    memory_mib: dict[str, int]
    load_average: float


async def dev_mode(
    starts: int, seconds: float, folder: Path, say: Callable[[str], None]
) -> DevMode:
    """Starts it so often on an empty folder, and watches the last one for so many seconds."""
    took_s: list[float] = []
    cluster = DevCluster(folder)
    try:
        for number in range(starts):
            await cluster.stop()
            took_s.append(await _start(cluster))
            say(f"start {number + 1}: {took_s[-1]:.2f} s")
        await asyncio.sleep(_SETTLE_S)
        bill = Bill()
        begin = read_processes(cluster.parts(), None)
        await asyncio.sleep(seconds)
        bill.add(begin, read_processes(cluster.parts(), None))
        held = {name: memory_mib(part.pid, "VmRSS") for name, part in cluster.parts().items()}
        await cluster.stop()
    finally:
        await cluster.kill()
    return DevMode(
        first_start_s=took_s[0],
        start_s=median(took_s[1:] or took_s),
        idle_share=bill.ours_cpu_s / bill.seconds,
        memory_mib=held,
        load_average=os.getloadavg()[0],
    )


async def _start(cluster: DevCluster) -> float:
    """How long it took."""
    begun = time.monotonic()
    await cluster.start()
    http = cluster.addresses.http
    if http is not None:
        async with asyncio.timeout(_READY_S):
            # Nobody tells of it.
            while await asyncio.to_thread(http_obstacle, http) is not None:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
    return time.monotonic() - begun
