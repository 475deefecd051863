"""The processes of a cluster, made of production parts as `tickwheel.server.wiring` makes them."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import grpc.aio
from typing_extensions import override

from simulator.calls import Calls, Server, SimChannel
from simulator.chance import Chance
from simulator.log import LogWeather, SimLog, SimPublisher
from simulator.loop import SimLoop
from simulator.network import Network
from simulator.process import Host, SimProcess
from simulator.serving import Methods
from simulator.store.cells import Cells
from simulator.store.client import StoreLink, StoreWeather
from simulator.store.engine import SimStore
from simulator.streams import SimConnector
from simulator.trace import Trace
from tickwheel.server.api.build import build_api
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.middleware import CallsInProgress, Middleware
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.names import new_uid
from tickwheel.server.owner.directory import OwnerDirectory
from tickwheel.server.owner.remote import RemoteEndpoint
from tickwheel.server.owner.schedulers import Schedulers
from tickwheel.server.scheduler.endpoint import SchedulerEndpoint
from tickwheel.server.scheduler.options import MOST_UNPUBLISHED, Identity, SchedulerOptions
from tickwheel.server.scheduler.runtime import Scheduler
from tickwheel.server.scheduler.services import scheduler_services
from tickwheel.server.store.port import Store
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.core import Identity as WorkerIdentity
from tickwheel.worker.core import Limits, WorkerCore
from tickwheel.worker.held import run_of
from tickwheel.worker.runtime import Worker, WorkerOptions

_VERSION = "simulated"


@dataclass(slots=True, eq=False)
class Member:
    """A process of the cluster through all its lives."""

    name: str
    host: Host
    main: Callable[["Member"], Coroutine[Any, Any, None]]
    process: SimProcess | None = None
    lives: int = 0
    #: What is wrong with its connections, beside what is wrong for all.
    store: StoreWeather = field(default_factory=StoreWeather)
    log: LogWeather = field(default_factory=LogWeather)
    scheduler: Scheduler | None = None
    worker: Worker | None = None
    core: WorkerCore | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs or is only stopped."""
        return self.process is not None and self.process.alive


class Cluster:
    """Starts processes, and starts them anew."""

    def __init__(
        self,
        loop: SimLoop,
        chance: Chance,
        trace: Trace,
        *,
        segments: int,
        start_us: int,
        most_unpublished: int = MOST_UNPUBLISHED,
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._trace = trace
        self._start_us = start_us
        self._window = 0
        self.network = Network(loop, chance)
        self.calls = Calls(self.network)
        self.cells = Cells(segments)
        self.log = SimLog(loop)
        self.store = StoreWeather()
        self.log_weather = LogWeather()
        self.members: dict[str, Member] = {}
        # What is missing has to be found within the time that there is, and what waits for long to
        # go on.
        self.options = SchedulerOptions(
            repair_pass_ms=4_000,
            repair_doubt_ms=12_000,
            patience_ms=6_000,
            most_unpublished=most_unpublished,
        )
        #: All that there were, in all lives.
        self.schedulers: list[Scheduler] = []
        #: Rows that somebody took out of the store by hand.
        self.rows_lost = 0
        #: Requests to store and log that have failed.
        self.links: list[StoreLink | SimPublisher] = []

    def build(self, schedulers: int, workers: int, apis: int, window: int) -> None:
        """Makes the members and starts them."""
        self._window = window
        for number in range(schedulers):
            self._add(f"s{number}", self._scheduler)
        for number in range(workers):
            self._add(f"w{number}", self._worker)
        for number in range(apis):
            self._add(f"a{number}", self._api)
        for member in self.members.values():
            self.start(member)

    def of_kind(self, kind: str) -> list[Member]:
        """The members whose names begin so: `s`, `w` or `a`."""
        return [member for name, member in self.members.items() if name.startswith(kind)]

    def _add(self, name: str, main: Callable[[Member], Coroutine[Any, Any, None]]) -> None:
        boot_us = self._chance.stream(f"boot/{name}").randrange(10**12)
        host = Host(self._loop, name, self._start_us, boot_us)
        self.members[name] = Member(name, host, main)

    def start(self, member: Member) -> None:
        """Starts a member that does not run."""
        if member.alive:
            return
        member.lives += 1
        process = member.process = SimProcess(self._loop, member.host, member.name, member.lives)
        self._trace.note("start", process)
        process.spawn(self._live(member, process))

    async def _live(self, member: Member, process: SimProcess) -> None:
        await member.main(member)
        self._trace.note("ended", process)
        # Not from within: what it still has to do itself comes first.
        process.kill_in_steps(0)

    # -- what they are -----------------------------------------------------------------------

    async def _scheduler(self, member: Member) -> None:
        process = _of(member)
        store = self._store(member)
        address = f"{member.name}:7420"
        identity = Identity(session_id=new_uid(), address=address, version=_VERSION)
        scheduler = member.scheduler = _Scheduler(
            store, process.clock, identity, self.options, log=self.log
        )
        self.schedulers.append(scheduler)
        endpoint = SchedulerEndpoint(scheduler, store)
        methods = Methods().register(
            add for _, add in scheduler_services(scheduler.fleet, endpoint)
        )
        calls = Middleware(CallsInProgress(ApiLimits()), process.clock)
        self.calls.servers[address] = Server(process, await methods.intercept(calls))
        await scheduler.run()

    async def _worker(self, member: Member) -> None:
        process = _of(member)
        identity = WorkerIdentity(worker_id=member.name, version=_VERSION, host=member.name)
        seeds = [f"{one.name}:7420" for one in self.of_kind("s")]
        member.core = WorkerCore(identity, Limits(self._window, 64 << 20), seeds)
        publisher = SimPublisher(
            self._loop, process, self.log, self._chance, [self.log_weather, member.log]
        )
        self.links.append(publisher)
        member.worker = Worker(
            member.core,
            process.clock,
            SimConnector(self.calls, self.network, process),
            publisher,
            WorkerOptions(),
            self._chance.stream(f"worker/{process}"),
        )
        await member.worker.run()

    async def _api(self, member: Member) -> None:
        process = _of(member)
        store = self._store(member)
        limits = ApiLimits()

        def dial(address: str) -> RemoteEndpoint:
            channel = SimChannel(self.calls, member.name, address)
            return RemoteEndpoint(cast("grpc.aio.Channel", channel))

        owners = OwnerDirectory(store.leases, process.clock, dial)
        schedulers = Schedulers(store.leases, process.clock, dial)
        api = build_api(store, owners, process.clock, limits, schedulers)
        methods = Methods().register(service.add for service in api.services)
        calls = Middleware(CallsInProgress(limits), process.clock)
        self.calls.servers[f"{member.name}:7420"] = Server(process, await methods.intercept(calls))
        await self._loop.create_future()

    def _store(self, member: Member) -> SimStore:
        process = _of(member)
        link = StoreLink(self._loop, process, self._chance, [self.store, member.store])
        self.links.append(link)
        return SimStore(self.cells, link, process.clock)


class _Scheduler(Scheduler):
    """One of which is known what it was told."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        identity: Identity,
        options: SchedulerOptions,
        *,
        log: SimLog,
    ) -> None:
        super().__init__(store, clock, identity, options)
        self._log = log

    @override
    def outcome(self, outcome: pb.Outcome, worker_id: str) -> bool:
        epoch = self.owned().get(outcome.key.segment)
        if epoch is not None and outcome.WhichOneof("result") == "published":
            self._log.note_told(run_of(outcome.key), epoch)
        return super().outcome(outcome, worker_id)


def _of(member: Member) -> SimProcess:
    assert member.process is not None
    return member.process
