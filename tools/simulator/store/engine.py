"""Puts the engine together."""

from typing_extensions import override

from simulator.store.cells import Cells
from simulator.store.jobs import SimJobStore
from simulator.store.leases import SimLeaseStore
from simulator.store.link import Kind, WritingLink
from simulator.store.open_runs import SimOpenRunStore
from simulator.store.runs import SimRunStore
from simulator.store.schedule import SimScheduleStore
from tickwheel.server.domain.clock import Clock
from tickwheel.server.store.port import Store


class SimStore(Store):
    """One process's view of the cluster."""

    engine = "simulated"

    def __init__(self, cells: Cells, link: WritingLink, clock: Clock) -> None:
        self._link = link
        self.jobs = SimJobStore(cells, link, clock)
        self.schedule = SimScheduleStore(cells, link)
        self.runs = SimRunStore(cells, link)
        self.open_runs = SimOpenRunStore(cells, link)
        self.leases = SimLeaseStore(cells, link)

    @override
    async def ping(self) -> None:
        await self._link.call(Kind.READ, lambda: None)

    @override
    async def close(self) -> None:
        """Nothing to let go of."""
