"""The scheduler's own code in simulated time: far more of them than fit on a machine.

All processes of a cluster share one event loop, whose time is a number (`simulator`). Schedulers,
workers and apis are the production code; network, store and log are in memory. What each callback
takes in real CPU time is put down to the process that it belongs to, so that what a scheduler
spends on a run is seen apart from all else; what its driver and gRPC would add is not in it.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import ClassVar, TypeVar

from typing_extensions import override

from scale.tally import Simulated
from simulator.chance import Chance, install
from simulator.clients import Client
from simulator.cluster import Cluster, Member
from simulator.loop import SimLoop
from simulator.plan import Step
from simulator.process import PROCESS, Host, SimProcess
from simulator.store.client import StoreLink
from simulator.store.engine import SimStore
from simulator.store.link import Kind
from simulator.trace import Trace

T = TypeVar("T")

_START_MS = 1_780_000_000_000
#: Until the segments are shared evenly and the streams stand, and again until all jobs are in.
_SHARE_MS = 15_000
_PERIOD_S = 5
_BATCH = 200


class _MeteredLoop(SimLoop):
    """Adds up what callbacks take, by the first letter of their process's name."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu_ns: Counter[str] = Counter()
        #: How many there were of them, which is the same on every machine.
        self.callbacks: Counter[str] = Counter()

    @override
    def _run_ready(self) -> None:
        clock = time.thread_time_ns
        cpu_ns = self.cpu_ns
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if handle.is_cancelled:
                continue
            process = handle.context.get(PROCESS)
            if process is not None and not process.may_run(handle):
                continue
            begun = clock()
            try:
                handle.context.run(handle.callback, *handle.args)  # pyright: ignore
            except Exception as error:
                self.defects.append(error)
            kind = process.name[0] if process is not None else ""
            cpu_ns[kind] += clock() - begun
            self.callbacks[kind] += 1


class _CountedLink(StoreLink):
    """Counts a scheduler's requests to the store."""

    requests: ClassVar[Counter[Kind]] = Counter()

    @override
    async def call(self, kind: Kind, work: Callable[[], T]) -> T:
        self.requests[kind] += 1
        return await super().call(kind, work)


class _CountedCluster(Cluster):
    """Its schedulers' requests are counted."""

    @override
    def _store(self, member: Member) -> SimStore:
        if not member.name.startswith("s") or member.process is None:
            return super()._store(member)
        weathers = [self.store, member.store]
        link = _CountedLink(self._loop, member.process, self._chance, weathers)
        self.links.append(link)
        return SimStore(self.cells, link, member.process.clock)


def simulate_apart(
    schedulers: int, *, per_s: int, segments: int, workers: int, seconds: int
) -> Simulated:
    """The same in a process of its own: there can be one simulation in the life of a process."""
    work = partial(
        simulate, schedulers, per_s=per_s, segments=segments, workers=workers, seconds=seconds
    )
    with ProcessPoolExecutor(1) as process:
        return process.submit(work).result()


def simulate(
    schedulers: int, *, per_s: int, segments: int, workers: int, seconds: int
) -> Simulated:
    """Runs a cluster for so many simulated seconds under load.

    See `simulate_apart`.

    Args:
        schedulers: how many there are.
        per_s: runs a second for each of them, of jobs that come again every five seconds.
        segments: of the store.
        workers: how many there are.
        seconds: how long the load is measured, and the idle time before it.
    """
    gc.disable()
    loop = _MeteredLoop()
    chance = Chance(1)
    trace = Trace(loop, verbose=False)
    trace.hear_logs()
    install(chance, lambda: _START_MS + loop.now_us // 1000)
    start_us = _START_MS * 1000
    cluster = _CountedCluster(loop, chance, trace, segments=segments, start_us=start_us)
    process = SimProcess(loop, Host(loop, "c0", start_us, 0), "c0", 1)
    client = Client(process, cluster.calls, ["a0:7420"], chance, trace, _START_MS)
    count = per_s * schedulers * _PERIOD_S
    idle_from_ms = _SHARE_MS
    create_ms = idle_from_ms + seconds * 1000
    load_from_ms = create_ms + _SHARE_MS
    loop.run_in(lambda: cluster.build(schedulers, workers, 1, 50_000))
    loop.run_in(lambda: client.begin(_steps(count, create_ms)))
    loop.run_to(idle_from_ms * 1000)
    before_ns, before = loop.cpu_ns["s"], _CountedLink.requests.total()
    loop.run_to(create_ms * 1000)
    idle_ns, idle = loop.cpu_ns["s"] - before_ns, _CountedLink.requests.total() - before
    loop.run_to(load_from_ms * 1000)
    gc.collect()
    before_ns, before = loop.cpu_ns["s"], _CountedLink.requests.total()
    worker_ns, callbacks = loop.cpu_ns["w"], loop.callbacks["s"]
    published = _published(cluster)
    loop.run_to((load_from_ms + seconds * 1000) * 1000)
    if loop.defects:
        raise RuntimeError(f"the simulation has failed: {loop.defects[0]}")
    refused = Counter(item.code for told in client.told for item in told.items if not item.is_ok)
    if refused or len(client.told) < len(range(0, count, _BATCH)):
        raise RuntimeError(f"jobs were not created: {refused}")
    return Simulated(
        schedulers=schedulers,
        workers=workers,
        segments=segments,
        seconds=seconds,
        per_s=per_s * schedulers,
        runs=_published(cluster) - published,
        scheduler_ms=(loop.cpu_ns["s"] - before_ns) / 1e6,
        worker_ms=(loop.cpu_ns["w"] - worker_ns) / 1e6,
        callbacks=loop.callbacks["s"] - callbacks,
        idle_ms=idle_ns / 1e6,
        requests=_CountedLink.requests.total() - before,
        idle_requests=idle,
    )


def _steps(count: int, at_ms: int) -> list[Step]:
    """Creations of so many recurring jobs, in batches over some seconds, as many a second each."""
    batches = range(0, count, _BATCH)
    apart_ms = (_SHARE_MS // 3) / len(batches)
    return [
        Step(
            at_ms + int(number * apart_ms),
            "batch",
            f"b{number}",
            {
                "count": min(_BATCH, count - start),
                # Jitter spreads those of a batch, which are anchored at their creation, evenly.
                "schedule": {"every": _PERIOD_S * 1000, "jitter": _PERIOD_S * 999},
                "topic": "scale",
                "payload": "x" * 100,
                "named": False,
                "request": False,
            },
        )
        for number, start in enumerate(batches)
    ]


def _published(cluster: Cluster) -> int:
    return sum(len(topic) for topic in cluster.log.topics.values())
