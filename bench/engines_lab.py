"""All parts as processes of their own, on a Cassandra and a Kafka started for the bench."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from cassandra.cluster import Cluster as Driver
from engines import Instance, cassandra, kafka
from localcluster import LocalCluster, Size

from tickwheel.server.bench.cluster import Addresses, Cluster, Lab
from tickwheel.server.bench.measure import Part

# The driver has no types.
# pyright: reportUnknownMemberType=false

ENGINE = "Cassandra + Kafka"


class EnginesCluster(Cluster):
    """Parts that can be stopped and killed one by one."""

    engine = ENGINE
    disposable = True

    def __init__(
        self, local: LocalCluster, engines: Mapping[str, Instance], session: Any, keyspace: str
    ) -> None:
        self.addresses = Addresses(
            grpc=local.grpc_address,
            http=local.http_address if local.layout.gateway else None,
            kafka=engines["kafka"].bootstrap if "kafka" in engines else None,
        )
        self._local = local
        self._engines = engines
        self._session = session
        self._keyspace = keyspace

    def parts(self) -> Mapping[str, Part]:
        """Those that run, the engines' nodes too."""
        ours = {name: self._local.process(name) for name in self._local.parts}
        theirs = {
            f"{kind}-{node.number}": instance.process(node.number)
            for kind, instance in self._engines.items()
            for node in instance.nodes
        }
        return {
            name: Part(process.pid, ours=name in ours)
            for name, process in (ours | theirs).items()
            if process is not None
        }

    def named(self, kind: str) -> list[str]:
        """Such as `worker-1` and `worker-2`."""
        return [name for name in self._local.parts if name.startswith(f"{kind}-")]

    async def stop(self, *names: str) -> None:
        """SIGTERM, and time to obey."""
        await asyncio.to_thread(self._local.stop, *names)

    async def kill(self, *names: str) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self._local.kill, *names)

    async def start(self, *names: str) -> None:
        """Until they are ready."""
        await asyncio.to_thread(self._local.start, *names)

    async def statements(self) -> int | None:
        """By Cassandra's own count of its clients' requests; the few of the bench are in it.

        A connection that has ended takes its count along: then the sum may be too small.
        """
        query = "SELECT request_count FROM clients"
        rows = await asyncio.to_thread(self._session.execute, query)
        return sum(row.request_count for row in rows)

    async def stored_mib(self) -> int | None:
        """By Cassandra's own count of what it has written out; what is young is in its memory."""
        query = "SELECT mebibytes FROM disk_usage WHERE keyspace_name = %s"
        rows = await asyncio.to_thread(self._session.execute, query, [self._keyspace])
        return sum(row.mebibytes for row in rows)


class EnginesLab(Lab):
    """Clusters on one Cassandra and one Kafka, each set of jobs in a keyspace of its own.

    Args:
        folder: for the logs of the parts.
        engines: the running Cassandra and Kafka.
        gateway: the gateway's program; None for no REST.
        size: how many of each part.
    """

    engine = ENGINE

    def __init__(
        self, folder: Path, engines: Mapping[str, Instance], gateway: Path | None, size: Size
    ) -> None:
        self._folder = folder
        self._engines = engines
        self._gateway = gateway
        self._size = size

    @asynccontextmanager
    async def open(self, store: str) -> AsyncGenerator[Cluster]:
        """A cluster on the keyspace of that name."""
        keyspace = f"bench_{store}"
        local = LocalCluster(
            self._folder / store,
            cassandra=self._engines["cassandra"].bootstrap,
            kafka=self._engines["kafka"].bootstrap,
            gateway=self._gateway,
            size=self._size,
            settings={"TICKWHEEL_CASSANDRA_KEYSPACE": keyspace},
        )
        with cassandra_session(self._engines["cassandra"]) as session:
            await asyncio.to_thread(local.__enter__)
            try:
                yield EnginesCluster(local, self._engines, session, keyspace)
                await asyncio.to_thread(local.stop)
            finally:
                await asyncio.to_thread(local.__exit__, None, None, None)


@contextmanager
def running_engines(folder: Path) -> Generator[Mapping[str, Instance]]:
    """A Cassandra and a Kafka for as long as the block lasts; their data goes with them."""
    engines = {
        "cassandra": cassandra("bench", home=folder / "cassandra"),
        "kafka": kafka("bench", home=folder / "kafka"),
    }
    with contextlib.ExitStack() as running, ThreadPoolExecutor() as threads:
        starting = [threads.submit(each.__enter__) for each in engines.values()]
        for each, start in zip(engines.values(), starting, strict=True):
            start.result()
            running.push(each.__exit__)
        yield engines


@contextmanager
def cassandra_session(instance: Instance) -> Generator[Any]:
    """A connection of the bench's own, at first to Cassandra's tables about itself."""
    node = instance.nodes[0]
    driver = Driver([node.address], port=instance.port, protocol_version=4)
    try:
        yield driver.connect("system_views")
    finally:
        driver.shutdown()
