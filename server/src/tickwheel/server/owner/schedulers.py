"""All schedulers, as the store names them and as they tell of themselves."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from tickwheel.internal.v1 import owner_service_pb2 as pb
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import SegmentUnowned, StoreUnavailable
from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.store.port import LeaseStore

_log = structlog.get_logger(__name__)


class CensusEndpoint(Protocol):
    """One scheduler, in this process or in another.

    Each raises SegmentUnowned where it does not answer.
    """

    async def describe(self) -> pb.DescribeSchedulerResponse:
        """As OwnerService.DescribeScheduler."""
        ...

    async def stop_worker(self, worker_id: str) -> pb.StopWorkerResponse:
        """As OwnerService.StopWorker."""
        ...


@dataclass(frozen=True, slots=True)
class Overview:
    """The cluster at one moment."""

    #: Sessions that were not closed; one whose process was killed may still be among them.
    sessions: Sequence[SchedulerSession]
    leases: Sequence[SegmentLease]
    #: By session id what a scheduler has told; those that did not answer are missing.
    told: dict[str, pb.DescribeSchedulerResponse]
    read_ms: int

    def is_live(self, session: SchedulerSession) -> bool:
        """Whether the session holds, or may still hold, its segments."""
        return session.session_id in self.told or session.lease_until_ms > self.read_ms

    def unowned(self) -> list[int]:
        """Segments that no living scheduler owns: their jobs do not fire."""
        living = {one.session_id for one in self.sessions if self.is_live(one)}
        return [one.segment for one in self.leases if one.session_id not in living]

    def unserved(self) -> list[int]:
        """Segments that no worker serves, by their owners' word: what is due there waits."""
        owned = (one for told in self.told.values() for one in told.scheduler.segments)
        return [one.segment for one in owned if not one.worker]


class Schedulers:
    """Reads the sessions, and asks each scheduler."""

    def __init__(
        self, leases: LeaseStore, clock: Clock, dial: Callable[[str], CensusEndpoint]
    ) -> None:
        """Asks nobody yet; `dial` gives the scheduler at an address."""
        self._leases = leases
        self._clock = clock
        self._dial = dial

    async def overview(self) -> Overview:
        """All of them; one that does not answer is left out of what is told."""
        sessions = await self._sessions()
        leases = await self._leases.segments()
        told: dict[str, pb.DescribeSchedulerResponse] = {}

        async def ask(session: SchedulerSession) -> None:
            try:
                told[session.session_id] = await self._dial(session.address).describe()
            except (SegmentUnowned, StoreUnavailable) as error:
                _log.info("a scheduler does not answer", address=session.address, why=error.message)

        async with asyncio.TaskGroup() as tasks:
            for session in sessions:
                tasks.create_task(ask(session))
        return Overview(sessions, leases, told, self._clock.now_ms())

    async def stop_worker(self, worker_id: str) -> list[pb.StopWorkerResponse]:
        """Has all schedulers tell a worker to stop; the answers of those that know it.

        Raises:
            SegmentUnowned: none of those that answered knows it, and some did not answer.
        """
        answers: list[pb.StopWorkerResponse] = []
        silent: list[str] = []

        async def tell(session: SchedulerSession) -> None:
            try:
                answer = await self._dial(session.address).stop_worker(worker_id)
            except (SegmentUnowned, StoreUnavailable):
                silent.append(session.address)
            else:
                if answer.HasField("worker"):
                    answers.append(answer)

        async with asyncio.TaskGroup() as tasks:
            for session in await self._sessions():
                tasks.create_task(tell(session))
        if not answers and silent:
            raise SegmentUnowned(
                f"the schedulers at {', '.join(sorted(silent))} do not answer, and the others do "
                f"not know the worker {worker_id}"
            )
        return answers

    async def _sessions(self) -> list[SchedulerSession]:
        return [session for session in await self._leases.sessions() if not session.closed]
