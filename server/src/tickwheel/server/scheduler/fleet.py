"""The connected workers: gives them segments and runs, takes runs back, hears their outcomes.

Carries out; what is to fire is decided in `segment`, who serves what in `placement`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from tickwheel.server.domain.clock import Clock
from tickwheel.server.scheduler.assignment import key_message, key_of, messages, topic_of
from tickwheel.server.scheduler.awake import TimeAwake
from tickwheel.server.scheduler.fairqueue import FairQueue
from tickwheel.server.scheduler.link import WorkerLink
from tickwheel.server.scheduler.live import AttemptKey, LiveRun
from tickwheel.server.scheduler.options import Identity, SchedulerOptions
from tickwheel.server.scheduler.outbox import Outbox
from tickwheel.server.scheduler.placement import by_worker, place_segments
from tickwheel.server.scheduler.terms import expire_ms
from tickwheel.server.scheduler.witnessed import WitnessedClock
from tickwheel.v1 import scheduler_service_pb2 as pb

_log = structlog.get_logger(__name__)

PROTOCOL_VERSION = 1

Send = Callable[[pb.ConnectResponse], Awaitable[None]]


class ConnectRefusedError(Exception):
    """The worker cannot be served; the message says why (FAILED_PRECONDITION)."""


class FleetListener(Protocol):
    """What the fleet tells the scheduler's runtime."""

    def epochs(self) -> Mapping[int, int]:
        """The segments that are ready to be served, with their epochs."""
        ...

    def permission_left_ms(self) -> int:
        """How long our own lease allows workers to publish."""
        ...

    def outcome(self, outcome: pb.Outcome, worker_id: str) -> bool:
        """Takes an outcome in. False: nobody here waits for it, it may be forgotten."""
        ...

    def confirmed(self, keys: Iterable[AttemptKey], started: Iterable[AttemptKey]) -> None:
        """Workers have dropped these runs, or had already begun to publish them."""
        ...

    def released(self, runs: Iterable[LiveRun]) -> None:
        """No worker holds these runs any more."""
        ...

    def room(self) -> None:
        """A worker may take more than before."""
        ...

    def find(self, key: AttemptKey, segment: int) -> LiveRun | None:
        """The live run of that key."""
        ...


class Fleet:
    """All workers of one scheduler."""

    def __init__(
        self, clock: Clock, identity: Identity, options: SchedulerOptions, listener: FleetListener
    ) -> None:
        #: By what all of this scheduler goes.
        self.clock = self._clock = WitnessedClock(clock, options.ahead_bound_ms)
        self._was_ahead = False
        #: Who stood still finds what workers have said meanwhile unread: that was no silence.
        self._awake = TimeAwake(clock, 2 * options.heartbeat_ms)
        self._session_id = identity.session_id
        self._options = options
        self._listener = listener
        self._links: dict[str, WorkerLink] = {}
        self._senders: dict[str, Outbox] = {}
        self._placement: dict[int, str] = {}
        self._topology: tuple[str, ...] = ()
        self._settling: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._departed: list[WorkerLink] = []
        #: Assignments handed to workers so far.
        self.dispatched = 0

    async def begin(self, session_id: str) -> None:
        """A session begins: what workers hold of a former one is void, they are to come anew.

        Returns when they have, as what they have published is to be known before anything is
        decided; who is away for longer than its lease is not waited for.
        """
        if session_id == self._session_id:
            return
        self._session_id = session_id
        awaited = set(self._links)
        for worker_id in awaited:
            self._depart(self._links[worker_id])
        await self._for_a_lease(lambda: awaited <= self._links.keys())

    # -- a worker's session ------------------------------------------------------------------

    async def serve(self, incoming: AsyncIterator[pb.ConnectRequest], send: Send) -> None:
        """Runs one worker's stream until it ends or the worker falls silent.

        Raises:
            ConnectRefusedError: wrong protocol version, or no Hello first.
        """
        link, held = await self._welcome(incoming)
        former = self._links.get(link.worker_id)
        if former is not None:
            # First of all: what it holds it has from there.
            self._depart(former)
        unknown, asked = self._adopt(link, held)
        outbox = Outbox()
        self._links[link.worker_id] = link
        self._senders[link.worker_id] = outbox
        link.welcomed_ms = self._clock.steady_ms()
        outbox.put(pb.ConnectResponse(welcome=self._welcome_message()))
        outbox.put(self._topology_message())
        if unknown:
            # Not ours to publish: whoever owns it now has it, or it is done.
            number = link.revoke(())
            revocation = pb.Revocation(revocation_id=number, keys=unknown)
            outbox.put(pb.ConnectResponse(revocation=revocation))
        self.revoke(asked)
        _log.info("worker connected", worker=link.worker_id, window=link.window_count)
        self.place()
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(_write(outbox, send))
                tasks.create_task(self._hear(link, incoming, writer))
        except* _StreamOver:
            pass
        finally:
            if self._links.get(link.worker_id) is link:
                self._depart(link)
                self.place()

    async def _welcome(
        self, incoming: AsyncIterator[pb.ConnectRequest]
    ) -> tuple[WorkerLink, Iterable[pb.Held]]:
        """Hears Hello; returns a link, and what the worker holds."""
        first = await anext(incoming, None)
        if first is None or first.WhichOneof("message") != "hello":
            raise ConnectRefusedError("the first message of a stream must be `hello`")
        hello = first.hello
        if hello.protocol_version != PROTOCOL_VERSION:
            raise ConnectRefusedError(
                f"protocol version {hello.protocol_version} is not supported; "
                f"this scheduler speaks {PROTOCOL_VERSION}"
            )
        link = WorkerLink(
            hello.worker_id,
            hello.host,
            hello.version,
            heard_ms=self._awake.ms(),
            connect_ms=self._clock.now_ms(),
        )
        link.set_window(hello.window)
        link.read_clock(hello.clock.wall_ms, self._clock.now_ms())
        return link, hello.held

    def _adopt(
        self, link: WorkerLink, held: Iterable[pb.Held]
    ) -> tuple[list[pb.RunKey], list[LiveRun]]:
        """A returning worker takes along what it held of ours; returns what it is not to publish.

        That is what is not ours any more, or was never given to it; and, as runs, what it is to
        drop: it may not have heard of that, or has begun with it, and it may publish again from its
        next heartbeat on.
        """
        epochs = self._listener.epochs()
        revoked = {key for departed in self._departed for key in departed.unconfirmed()}
        unknown: list[pb.RunKey] = []
        asked: list[LiveRun] = []
        for item in held:
            key, segment = key_of(item.key), item.key.segment
            owners = [departed for departed in self._departed if key in departed.held]
            if segment not in epochs and not owners:
                continue
            if item.epoch > epochs.get(segment, item.epoch):
                # By a later owner: we have been replaced and do not know it yet.
                continue
            run = self._listener.find(key, segment)
            if run is None or not owners:
                unknown.append(item.key)
                continue
            for departed in owners:
                departed.hand_over(key)
                # Until its first heartbeat over this stream it has the permission of the former.
                link.permitted_until_ms = max(link.permitted_until_ms, departed.permitted_until_ms)
            if key in revoked or segment not in epochs:
                link.hold(run)
                asked.append(run)
            else:
                link.keep(run)
        return unknown, asked

    async def _hear(
        self,
        link: WorkerLink,
        incoming: AsyncIterator[pb.ConnectRequest],
        writer: "asyncio.Task[None]",
    ) -> None:
        async for message in incoming:
            link.heard_ms = self._awake.ms()
            match message.WhichOneof("message"):
                case "heartbeat":
                    self._heartbeat(link, message.heartbeat)
                case "outcomes":
                    self._outcomes(link, message.outcomes)
                case "revocation_ack":
                    self._revoked(link, message.revocation_ack)
                case "drain":
                    _log.info("worker drains", worker=link.worker_id)
                    link.draining = True
                    self.place()
                case _:
                    _log.warning("message ignored", worker=link.worker_id)
        writer.cancel()
        raise _StreamOver

    def _heartbeat(self, link: WorkerLink, heartbeat: pb.Heartbeat) -> None:
        took_work = link.takes_work(self._options.clock_bound_ms)
        had_room = link.window_count - len(link.held)
        link.set_window(heartbeat.window)
        link.bound_clock(heartbeat.clock, self._clock.steady_ms())
        if not self._clock.is_witnessed:
            self._compare_clocks()
        link.read_clock(heartbeat.clock.wall_ms, self._clock.now_ms())
        permission = max(0, min(self._options.permission_ms, self._listener.permission_left_ms()))
        # A shorter permission counts from when it is heard, which it may never be.
        until_ms = self._awake.ms() + permission
        link.permitted_until_ms = max(link.permitted_until_ms, until_ms)
        self._send(
            link.worker_id,
            pb.ConnectResponse(
                heartbeat_ack=pb.HeartbeatAck(
                    sequence=heartbeat.sequence,
                    clock=self._clock_message(),
                    permission_ms=permission,
                )
            ),
        )
        if link.takes_work(self._options.clock_bound_ms) != took_work:
            if took_work:
                _log.warning(
                    "worker takes no work", worker=link.worker_id, clocks_ms=link.clocks_apart_ms
                )
            self.place()
        if link.window_count - len(link.held) > had_room:
            self._listener.room()

    def _outcomes(self, link: WorkerLink, outcomes: pb.Outcomes) -> None:
        needless: list[pb.RunKey] = []
        for outcome in outcomes.outcomes:
            for one in (link, *self._departed):
                one.let_go(key_of(outcome.key))
            if not self._listener.outcome(outcome, link.worker_id):
                needless.append(outcome.key)
        if needless:
            self.acknowledge(link.worker_id, needless)
        self._listener.room()

    def _revoked(self, link: WorkerLink, ack: pb.RevocationAck) -> None:
        keys = link.confirm(ack.revocation_id)
        started = {key_of(key) for key in ack.already_started}
        dropped = [run for key in keys if key not in started and (run := link.let_go(key))]
        self._listener.confirmed(keys, started)
        self._listener.released(dropped)
        settled = self._settling.pop((link.worker_id, ack.revocation_id), None)
        if settled is not None and not settled.done():
            settled.set_result(None)

    def _depart(self, link: WorkerLink) -> None:
        """A worker is gone; what it held is free once it can no longer publish."""
        self._links.pop(link.worker_id, None)
        sender = self._senders.pop(link.worker_id, None)
        if sender is not None:
            sender.end()
        for mark in [mark for mark in self._settling if mark[0] == link.worker_id]:
            future = self._settling.pop(mark)
            if not future.done():
                future.set_result(None)
        _log.info("worker gone", worker=link.worker_id, held=len(link.held))
        if link.held or link.unconfirmed():
            self._departed.append(link)

    # -- what goes on by time ----------------------------------------------------------------

    def tick(self) -> None:
        """Ends streams of silent workers, and frees what departed workers held.

        To be called each `heartbeat_ms`: it is how this scheduler's own standing still is noticed.
        """
        self._compare_clocks()
        now = self._awake.ms()
        for link in list(self._links.values()):
            if self.silent_ms(link) > self._options.worker_lease_ms:
                _log.warning("worker silent", worker=link.worker_id)
                self._depart(link)
                self.place()
        if self._listener.permission_left_ms() <= 0:
            # Nothing can be handed out; they may come back with what they hold, see `gathered`.
            self._departed = [link for link in self._departed if link.held or link.unconfirmed()]
            return
        freed = [link for link in self._departed if link.permitted_until_ms <= now]
        if not freed:
            return
        self._departed = [link for link in self._departed if link.permitted_until_ms > now]
        for link in freed:
            unconfirmed = link.unconfirmed()
            self._listener.confirmed(unconfirmed, ())
            self._listener.released(list(link.held.values()))
            link.held.clear()

    def _compare_clocks(self) -> None:
        """Has the workers' clocks bear ours out; all of the embedded engine have one clock."""
        if not self._options.exclusive:
            bounds = (link.ahead_of_steady_ms for link in self._links.values())
            self._clock.hear(bound for bound in bounds if bound is not None)
        ahead_ms = self._clock.ahead_ms
        if ahead_ms and not self._was_ahead:
            _log.error("our clock is ahead of most workers': it goes by theirs", ahead_ms=ahead_ms)
        elif self._was_ahead and not ahead_ms:
            _log.warning("our clock agrees with most workers' again")
        self._was_ahead = ahead_ms > 0

    def set_topology(self, addresses: Iterable[str]) -> None:
        """Where the schedulers are; workers are told when it changes."""
        topology = tuple(sorted(addresses))
        if topology != self._topology:
            self._topology = topology
            for worker_id in self._links:
                self._send(worker_id, self._topology_message())

    # -- segments and runs -------------------------------------------------------------------

    def place(self) -> None:
        """Spreads the segments over the workers that take work, and tells them."""
        epochs = self._listener.epochs()
        able = [
            link.worker_id
            for link in self._links.values()
            if link.takes_work(self._options.clock_bound_ms)
        ]
        self._placement = place_segments(epochs, able, self._placement)
        shares = by_worker(self._placement)
        for link in self._links.values():
            segments = frozenset(shares.get(link.worker_id, ()))
            lost = link.segments - segments
            if segments != link.segments or not link.segments:
                link.segments = segments
                self._send(link.worker_id, _segments_message(segments, epochs))
            moved = link.held_of(lost & epochs.keys())
            if moved:
                self.revoke(moved)
        self._listener.room()

    def announce_epochs(self) -> None:
        """Tells all workers their segments again, after epochs changed."""
        for link in self._links.values():
            link.segments = frozenset()
        self.place()

    def assign(self, waiting: FairQueue, most: int, now_ms: int) -> list[LiveRun]:
        """Hands runs to the workers of their segments, as far as there is room; returns them.

        Args:
            waiting: where they are taken from.
            most: that many.
            now_ms: the present.
        """
        epochs = dict(self._listener.epochs())
        full: set[tuple[str, str, str]] = set()

        def admit(run: LiveRun) -> bool:
            worker_id = self._placement.get(run.job.segment)
            mark = (worker_id or "", run.job.user, topic_of(run))
            if worker_id is None or run.job.segment not in epochs or mark in full:
                return False
            if self._links[worker_id].admit(run):
                return True
            # What follows of the user to that topic may not overtake it.
            full.add(mark)
            return False

        taken = waiting.take(most, now_ms, admit)
        grouped: dict[str, list[LiveRun]] = {}
        for run in taken:
            run.assigned_ms = now_ms
            # Kept when it is handed out again: its time is not to begin anew.
            run.expire_ms = run.expire_ms or expire_ms(run.job.spec, run.fire_ms, now_ms)
            run.topic = topic_of(run)
            grouped.setdefault(run.worker, []).append(run)
        for worker_id, group in grouped.items():
            for message in messages(group, epochs):
                self._send(worker_id, message)
        self.dispatched += len(taken)
        return taken

    def forget(self, segments: Iterable[int]) -> None:
        """These segments are not ours any more: what workers hold of them is not our concern."""
        lost = set(segments)
        for link in [*self._links.values(), *self._departed]:
            for run in link.held_of(lost):
                link.let_go(run.key)

    def revoke(self, runs: Sequence[LiveRun]) -> None:
        """Asks workers to drop runs; `FleetListener.confirmed` and `released` follow."""
        grouped: dict[str, list[LiveRun]] = {}
        orphans: list[LiveRun] = []
        for run in runs:
            link = self._links.get(run.worker)
            if link is not None and run.key in link.held:
                grouped.setdefault(run.worker, []).append(run)
            elif not any(run.key in departed.held for departed in self._departed):
                orphans.append(run)
        for worker_id, group in grouped.items():
            link = self._links[worker_id]
            # One answer is for all who ask. A further one would come when the worker may have been
            # given the run anew, and be taken for an answer about that.
            asked = set(link.unconfirmed())
            fresh = [run for run in group if run.key not in asked]
            if not fresh:
                continue
            number = link.revoke(run.key for run in fresh)
            keys = [key_message(run.key, run.job.segment) for run in fresh]
            self._send(
                worker_id,
                pb.ConnectResponse(revocation=pb.Revocation(revocation_id=number, keys=keys)),
            )
        # What a departed worker holds is confirmed when its permission ends, see `tick`.
        for link in self._departed:
            mine = [run.key for run in runs if run.key in link.held]
            if mine:
                link.revoke(mine)
        if orphans:
            self._listener.confirmed([run.key for run in orphans], ())

    async def settle(self, epochs: Mapping[int, int]) -> None:
        """Has every worker drop what it holds of earlier epochs and say what it has published.

        Returns when all that are connected have answered or are gone.
        """
        waiting: list[asyncio.Future[None]] = []
        message = [
            pb.SegmentEpoch(segment=segment, epoch=epoch) for segment, epoch in epochs.items()
        ]
        for link in self._links.values():
            number = link.revoke(())
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._settling[link.worker_id, number] = future
            waiting.append(future)
            self._send(
                link.worker_id,
                pb.ConnectResponse(
                    revocation=pb.Revocation(revocation_id=number, segments=message)
                ),
            )
        if waiting:
            await asyncio.gather(*waiting)

    async def gathered(self) -> None:
        """Returns once all workers whose streams have broken are back, and all said what they did.

        Who is away for longer than its lease is not waited for.
        """
        await self.settle({})
        if await self._for_a_lease(
            lambda: all(link.worker_id in self._links for link in self._departed)
        ):
            await self.settle({})

    async def answered(self) -> None:
        """Returns once all workers have dropped what was revoked, or after a worker's lease."""
        await self._for_a_lease(
            lambda: not any(link.unconfirmed() for link in (*self._links.values(), *self._departed))
        )

    async def witnessed(self) -> None:
        """Returns once a worker has said what its clock shows.

        Without one nothing can be published. Who has none for `witness_ms` goes by its own clock.
        """
        while not (self._options.exclusive or self._clock.is_witnessed):
            if self._awake.ms() >= self._options.witness_ms:
                return
            await self._clock.sleep(0.01)

    async def _for_a_lease(self, is_so: Callable[[], bool]) -> bool:
        """Waits until something is so, at most for a worker's lease; whether it is."""
        deadline_ms = self._awake.ms() + self._options.worker_lease_ms
        while not is_so():
            if self._awake.ms() >= deadline_ms:
                return False
            await self._clock.sleep(0.01)
        return True

    def acknowledge(self, worker_id: str, keys: Iterable[pb.RunKey]) -> None:
        """The outcomes of these runs are stored; the worker may forget them."""
        sender = self._senders.get(worker_id)
        if sender is not None:
            sender.acknowledge(keys)

    def drain(self) -> None:
        """Tells workers that this scheduler stops; it takes no more of them into account."""
        for worker_id in list(self._links):
            self._send(worker_id, pb.ConnectResponse(drain=pb.SchedulerDrain()))

    def stop_worker(self, worker_id: str) -> WorkerLink | None:
        """Tells a worker to stop, and gives it no more work; None where it is not connected."""
        link = self._links.get(worker_id)
        if link is not None:
            _log.info("worker is told to stop", worker=worker_id)
            self._send(worker_id, pb.ConnectResponse(stop=pb.WorkerStop()))
            link.draining = True
            self.place()
        return link

    def close(self) -> None:
        """Ends all streams."""
        for sender in self._senders.values():
            sender.end()

    def permitted_ms(self) -> int:
        """How long some worker may still publish, by what it was permitted last; from 0."""
        now = self._awake.ms()
        links = [*self._links.values(), *self._departed]
        return max((link.permitted_until_ms - now for link in links if link.held), default=0)

    def silent_ms(self, link: WorkerLink) -> int:
        """For how long a worker has said nothing while this scheduler could hear it."""
        return self._awake.ms() - link.heard_ms

    def worker_of(self, segment: int) -> str:
        """The worker that serves a segment; empty while none does."""
        return self._placement.get(segment, "")

    def links(self) -> list[WorkerLink]:
        """The connected workers."""
        return list(self._links.values())

    # -- messages ----------------------------------------------------------------------------

    def _send(self, worker_id: str, message: pb.ConnectResponse) -> None:
        sender = self._senders.get(worker_id)
        if sender is not None:
            sender.put(message)

    def _clock_message(self) -> pb.Clock:
        return pb.Clock(wall_ms=self._clock.now_ms(), steady_ms=self._clock.steady_ms())

    def _welcome_message(self) -> pb.Welcome:
        return pb.Welcome(
            scheduler_id=self._session_id,
            protocol_version=PROTOCOL_VERSION,
            heartbeat_interval_ms=self._options.heartbeat_ms,
            lease_ms=self._options.worker_lease_ms,
            clock=self._clock_message(),
        )

    def _topology_message(self) -> pb.ConnectResponse:
        return pb.ConnectResponse(topology=pb.Topology(scheduler_addresses=self._topology))


class _StreamOver(Exception):
    """The worker has ended its side."""


async def _write(outbox: Outbox, send: Send) -> None:
    """Sends what is put in until the end is."""
    while (message := await outbox.take()) is not None:
        await send(message)
    raise _StreamOver


def _segments_message(segments: Iterable[int], epochs: Mapping[int, int]) -> pb.ConnectResponse:
    return pb.ConnectResponse(
        segments=pb.Segments(
            segments=[
                pb.SegmentEpoch(segment=segment, epoch=epochs[segment])
                for segment in sorted(segments)
            ]
        )
    )
