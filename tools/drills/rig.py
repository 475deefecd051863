"""What the drills on a cluster are done with: engines, parts, proxies."""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bootstrap.gateway import gateway
from engines import Instance, cassandra, kafka
from localcluster import LocalCluster, Size
from localcluster.layout import TICKWHEEL, Layout

from drills.load import Rates
from drills.proxy import Proxies

#: Enough for three schedulers, few enough for three small Cassandra nodes.
SEGMENTS = 48


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of everything there is."""

    nodes: int
    size: Size
    #: What it can bear beside all its parts on two cores.
    rates: Rates


WHOLE = Shape(3, Size(apis=2, schedulers=3, workers=4), Rates(one_off=20, recurring=15))
SMALL = Shape(1, Size(apis=2, schedulers=2, workers=2), Rates())


@dataclass(frozen=True, slots=True)
class Rig:
    """A running cluster, and what breaks it."""

    cassandra: Instance
    kafka: Instance
    cluster: LocalCluster
    #: Between the schedulers and all who call them.
    proxies: Proxies

    @property
    def api(self) -> str:
        """Both apis as one gRPC name."""
        apis = [part.address for part in self.cluster.parts.values() if part.name.startswith("api")]
        return f"ipv4:{','.join(apis)}"

    def names(self, kind: str) -> list[str]:
        """The parts of a kind."""
        return [name for name in self.cluster.parts if name.startswith(kind)]

    def restore(self) -> None:
        """Has everything run again that a drill has ended."""
        self.proxies.mend()
        self.cluster.resume()
        with ThreadPoolExecutor() as threads:
            for started in [threads.submit(each.start) for each in (self.cassandra, self.kafka)]:
                started.result()
        self.cluster.start(*self.cluster.parts)


@contextlib.contextmanager
def rig(
    home: Path,
    shape: Shape,
    settings: Mapping[str, str] | None = None,
    *,
    worker: Sequence[str | Path] = (TICKWHEEL, "worker"),
) -> Generator[Rig]:
    """A fresh cluster in a folder, gone at the end but for the parts' logs.

    Args:
        home: the folder.
        shape: how much of everything there is.
        settings: more environment variables for all parts.
        worker: the workers' command.
    """
    with contextlib.ExitStack() as stack:
        instances = (
            cassandra("drills", nodes=shape.nodes, home=home / "cassandra"),
            kafka("drills", nodes=shape.nodes, home=home / "kafka"),
        )
        with ThreadPoolExecutor() as threads:
            entering = [threads.submit(stack.enter_context, each) for each in instances]
            for started in entering:
                started.result()
        proxies = stack.enter_context(Proxies())
        cluster = LocalCluster(
            home / "cluster",
            cassandra=instances[0].bootstrap,
            kafka=instances[1].bootstrap,
            gateway=gateway(),
            size=shape.size,
            settings={
                "TICKWHEEL_CASSANDRA_REPLICATION": str(min(shape.nodes, 3)),
                "TICKWHEEL_SEGMENTS": str(SEGMENTS),
                **(settings or {}),
            },
            fronts=_fronts(shape.size),
            worker=worker,
        )
        for name, front in cluster.layout.fronts.items():
            proxies.open(front, cluster.parts[name].address)
        yield Rig(*instances, stack.enter_context(cluster), proxies)


def _fronts(size: Size) -> Callable[[str], Mapping[str, str]]:
    """The proxies' addresses: the next one on loopback, with the schedulers' own ports."""

    def fronts(host: str) -> Mapping[str, str]:
        network, _, last = host.rpartition(".")
        neighbour = f"{network}.{int(last) + 1}"
        own = Layout(host, size, None).scheduler_addresses
        return {
            f"scheduler-{number}": f"{neighbour}:{address.rpartition(':')[2]}"
            for number, address in enumerate(own, 1)
        }

    return fronts
