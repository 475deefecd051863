"""A cluster for these measurements: any number of schedulers, workers whose log is a stub."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engines import Instance
from localcluster import LocalCluster, Size
from typing_extensions import override

from bench.engines_lab import EnginesCluster, cassandra_session
from scale.stub_worker import RECORDS
from tickwheel.server.bench.measure import cpu_seconds
from tickwheel.server.bench.topic import Topic, come
from tickwheel.server.bench.verdict import Seen

# The driver has no types.
# pyright: reportUnknownMemberType=false

#: How long the schedulers may take to share the segments evenly.
_SHARE_S = 60.0
#: Schedulers that spend no more than this in a second have written all that there was to write:
#: this part of a core each.
_CALM_CORES = 0.04
_CALM_WITHIN_S = 60.0


class ScaleCluster(EnginesCluster):
    """Its parts, and the records of its workers."""

    def __init__(
        self, local: LocalCluster, cassandra: Instance, session: Any, keyspace: str
    ) -> None:
        super().__init__(local, {"cassandra": cassandra}, session, keyspace)
        self._records = [
            local.home / name / RECORDS for name in local.parts if name.startswith("worker-")
        ]

    def topic(self, name: str) -> Topic:
        """What the workers have been given, of whatever topic."""
        return _Notes(name, self._records, self)

    async def calm(self) -> None:
        """Waits until the schedulers have nothing more to do, for a bounded time."""
        pids = [self.parts()[name].pid for name in self.named("scheduler")]
        deadline = time.monotonic() + _CALM_WITHIN_S
        spent = sum(map(cpu_seconds, pids))
        while time.monotonic() < deadline:
            await asyncio.sleep(1)
            before, spent = spent, sum(map(cpu_seconds, pids))
            if spent - before <= _CALM_CORES * len(pids):
                return


class _Notes(Topic):
    """The stub workers' records."""

    def __init__(self, name: str, files: list[Path], cluster: ScaleCluster) -> None:
        self.name = name
        self._files = files
        self._cluster = cluster

    @override
    async def arrived(self, count: int, patience_s: float) -> None:
        await come(self._count, count, patience_s)
        await self._cluster.calm()

    @override
    async def read(self, count: int) -> list[Seen]:
        return self._seen()

    async def _count(self) -> int:
        return sum(file.read_bytes().count(b"\n") for file in self._files if file.exists())

    def _seen(self) -> list[Seen]:
        lines = [line for file in self._files for line in _lines(file)]
        return [Seen(ce_id, int(at_ms)) for ce_id, at_ms in map(str.split, lines)]


def _lines(file: Path) -> list[str]:
    # The last line may be half written.
    return file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []


@asynccontextmanager
async def scale_cluster(
    folder: Path, cassandra: Instance, keyspace: str, *, size: Size, segments: int
) -> AsyncGenerator[ScaleCluster]:
    """A running cluster whose segments are evenly shared.

    Args:
        folder: for its parts, new.
        cassandra: where its jobs are.
        keyspace: which of them.
        size: how many of each part.
        segments: of the keyspace, if it is made now.
    """
    local = LocalCluster(
        folder,
        cassandra=cassandra.bootstrap,
        # Nobody asks it: the workers' log is a stub.
        kafka="127.0.0.1:1",
        gateway=None,
        size=size,
        settings={
            "TICKWHEEL_CASSANDRA_KEYSPACE": keyspace,
            "TICKWHEEL_SEGMENTS": str(segments),
            "TICKWHEEL_LOG_LEVEL": "warning",
        },
        worker=(sys.executable, "-m", "scale.stub_worker"),
    )
    with cassandra_session(cassandra) as session:
        await asyncio.to_thread(local.__enter__)
        try:
            await _until_shared(session, keyspace, size.schedulers)
            yield ScaleCluster(local, cassandra, session, keyspace)
            await asyncio.to_thread(local.stop)
        finally:
            await asyncio.to_thread(local.__exit__, None, None, None)


async def _until_shared(session: Any, keyspace: str, schedulers: int) -> None:
    deadline = time.monotonic() + _SHARE_S
    shares: Counter[str] = Counter()
    while time.monotonic() < deadline:
        query = f"SELECT session_id FROM {keyspace}.segments"
        leases: list[Any] = list(await asyncio.to_thread(session.execute, query))
        shares = Counter(lease.session_id or "" for lease in leases)
        owners = [count for owner, count in shares.items() if owner]
        if "" not in shares and len(owners) == schedulers and max(owners) - min(owners) <= 1:
            return
        await asyncio.sleep(0.5)
    raise RuntimeError(f"{schedulers} schedulers do not share the segments evenly: {shares}")
