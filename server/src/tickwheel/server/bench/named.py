"""A cluster that runs already and is reached by its addresses."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from tickwheel.server.bench.cluster import Addresses, Cluster, Lab, NotPossible
from tickwheel.server.bench.measure import Part

MAIN = "main"
"""The one set of jobs that every lab has."""


class NamedCluster(Cluster):
    """Somebody's cluster: it is used, and neither stopped nor broken."""

    engine = "named"
    disposable = False

    def __init__(self, addresses: Addresses, pids: Mapping[str, int]) -> None:
        self.addresses = addresses
        self._parts = {name: Part(pid) for name, pid in pids.items()}

    def parts(self) -> Mapping[str, Part]:
        """Those whose process ids were given."""
        return self._parts


class NamedLab(Lab):
    """Has that one cluster.

    Args:
        addresses: of the cluster.
        pids: of its processes on this machine, by name; what they spend is measured.
    """

    engine = "named"

    def __init__(self, addresses: Addresses, pids: Mapping[str, int]) -> None:
        self._cluster = NamedCluster(addresses, pids)

    @asynccontextmanager
    async def open(self, store: str) -> AsyncGenerator[Cluster]:
        """The cluster, as it is."""
        if store != MAIN:
            raise NotPossible("a named cluster has but its own jobs")
        yield self._cluster
