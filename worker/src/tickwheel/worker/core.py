"""What the worker decides: what to hold, when to publish it, what to say to whom. Pure.

Each method is an event; it changes the state and returns what is to be done about it. Nothing here
waits, sends or reads a clock. The promises it keeps:

- Never early: an assignment is taken from the wheel once our wall clock and the lower bound of its
  scheduler's have both reached the due instant.
- A scheduler's assignments are published only while its permission holds.
- A higher epoch of a segment drops what waits under a lower one, and takes the permission from what
  is with the publisher. A segment that merely goes to another worker of the same scheduler takes
  nothing along: the scheduler revokes what is to move.
- One attempt of one run is given to the publisher once, unless the publisher says that it is not
  known to be on the log.
- An outcome is kept until a scheduler has acknowledged it, and told to each new stream, and to
  whoever becomes the owner of its segment.
"""

import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.clock import Moment
from tickwheel.worker.effects import (
    CloseStream,
    ConnectTo,
    Effect,
    Expect,
    HeartbeatEvery,
    Retire,
    Say,
    Send,
)
from tickwheel.worker.held import Held, Phase, held_of, key_message, run_of
from tickwheel.worker.outcomes import Finished, OutcomeBook
from tickwheel.worker.publisher.port import Ack, Record, Refused, Result, RunId, Unavailable
from tickwheel.worker.source import Source

PROTOCOL_VERSION = 1
#: Outcomes of one message; about 100 bytes each.
MAX_OUTCOMES = 1_000
#: The answer to a revocation of segments waits this long for what is already with the publisher,
#: so that the new owner need not guess what became of it; in milliseconds.
SETTLE_MS = 1_000
#: What the publisher gave back is tried again after this long, doubled each time, in milliseconds.
FIRST_RETRY_MS = 20
MAX_RETRY_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a worker is."""

    #: Unique among the living, stable over reconnects.
    worker_id: str
    version: str
    #: Host and process, for people.
    host: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held at once, from all schedulers together."""

    count: int
    size: int


@dataclass(slots=True, eq=False)
class _Stream:
    address: str
    hello_ms: int
    #: What Hello has named as held, and which scheduler has assigned it.
    named: dict[RunId, str]
    source: Source | None = None


@dataclass(slots=True, eq=False)
class _Settling:
    """A revocation whose answer waits for what is with the publisher."""

    stream: int
    revocation_id: int
    runs: set[RunId]
    #: On the steady clock.
    until_ms: int


class WorkerCore:
    """The state of one worker."""

    def __init__(self, identity: Identity, limits: Limits, seeds: Iterable[str]) -> None:
        """Begins with nothing held and no stream.

        Args:
            identity: who it is.
            limits: how much it holds at most.
            seeds: addresses of schedulers to begin with; the others are learned from them.
        """
        self._identity = identity
        self._limits = limits
        self._seeds = frozenset(seeds)
        self._targets = self._seeds
        self._streams: dict[int, _Stream] = {}
        self._last_stream = 0
        self._sources: dict[str, Source] = {}
        self._held: dict[RunId, Held] = {}
        self._held_bytes = 0
        self._book = OutcomeBook(remember=limits.count)
        #: The highest epoch known of each segment, and the scheduler that named it.
        self._owners: dict[int, tuple[int, str]] = {}
        self._settling: list[_Settling] = []
        self._draining = False
        self._awaits_log = False

    # -- what can be asked -------------------------------------------------------------------

    @property
    def targets(self) -> frozenset[str]:
        """The addresses to which there should be a stream."""
        return self._targets

    @property
    def connected(self) -> bool:
        """Whether at least one scheduler has welcomed us."""
        return any(source.stream is not None for source in self._sources.values())

    @property
    def held_count(self) -> int:
        """Assignments held and not yet published."""
        return len(self._held)

    @property
    def unacknowledged(self) -> int:
        """Outcomes that no scheduler has acknowledged yet."""
        return self._book.unacknowledged

    @property
    def queued(self) -> int:
        """The most outcomes that wait to be sent over one stream."""
        return max((self._book.queued(stream) for stream in self._book.streams()), default=0)

    def wake_in_ms(self, now: Moment) -> int | None:
        """In how many milliseconds `take_due` or `settle` has something to do; None for never."""
        waits = [wait for s in self._sources.values() if (wait := s.due_in_ms(now)) is not None]
        waits.extend(max(0, one.until_ms - now.steady_ms) for one in self._settling)
        return min(waits, default=None)

    # -- streams -----------------------------------------------------------------------------

    def open_stream(self, address: str, now: Moment) -> tuple[int, pb.ConnectRequest]:
        """A connection stands: returns the stream's number, and the Hello to send over it."""
        self.drop_abandoned(now)
        self._last_stream += 1
        number = self._last_stream
        # All of it: the scheduler may be one that is reached already, by another address.
        present = (item.successor or item for item in self._held.values())
        named = {item.run: item for item in present if not item.is_void}
        schedulers = {run: item.scheduler_id for run, item in named.items()}
        self._streams[number] = _Stream(address, now.steady_ms, schedulers)
        held = [
            pb.Held(key=key_message(run, item.segment), epoch=item.epoch)
            for run, item in named.items()
        ]
        hello = pb.Hello(
            worker_id=self._identity.worker_id,
            protocol_version=PROTOCOL_VERSION,
            version=self._identity.version,
            host=self._identity.host,
            held=held,
            window=self._window(extra_streams=1),
            clock=pb.Clock(wall_ms=now.wall_ms, steady_ms=now.steady_ms),
        )
        return number, pb.ConnectRequest(hello=hello)

    def close_stream(self, number: int, now: Moment) -> list[Effect]:
        """A stream has ended. What was assigned over it stays held while the permission lasts."""
        stream = self._streams.pop(number, None)
        self._book.drop_stream(number)
        self._settling = [one for one in self._settling if one.stream != number]
        if stream is None or stream.source is None or stream.source.stream != number:
            return []
        stream.source.stream = None
        stream.source.lost_ms = now.steady_ms
        return self._retarget()

    def receive(self, number: int, message: pb.ConnectResponse, now: Moment) -> list[Effect]:
        """A scheduler has said something."""
        stream = self._streams.get(number)
        if stream is None:
            return []
        kind = message.WhichOneof("message")
        if kind == "welcome":
            return self._welcome(number, stream, message.welcome, now)
        source = stream.source
        if source is None:
            return [CloseStream(number, f"the scheduler said {kind!r} before it welcomed us")]
        source.heard_ms = now.steady_ms
        match kind:
            case "heartbeat_ack":
                return self._heartbeat_ack(source, message.heartbeat_ack, now)
            case "segments":
                return self._segments(source, number, message.segments)
            case "assignments":
                return self._assignments(source, number, message.assignments, now)
            case "revocation":
                return self._revocation(source, number, message.revocation, now)
            case "outcome_acks":
                self._book.acknowledge(run_of(key) for key in message.outcome_acks.keys)
            case "topology":
                source.topology = frozenset(message.topology.scheduler_addresses)
                return self._retarget()
            case "drain":
                return [
                    Say(logging.INFO, "scheduler is stopping", {"scheduler": source.scheduler_id})
                ]
            case "stop":
                text = "told to stop by an operator"
                return [Say(logging.INFO, text, {"scheduler": source.scheduler_id}), Retire()]
            case _:
                pass
        return []

    def heartbeat(self, number: int, now: Moment) -> list[Effect]:
        """It is time for a sign of life; `now` is when it is sent."""
        stream = self._streams.get(number)
        if stream is None or stream.source is None:
            return []
        source = stream.source
        if now.steady_ms - source.heard_ms > source.lease_ms:
            return [CloseStream(number, f"nothing was heard for {source.lease_ms} ms")]
        effects: list[Effect] = []
        apart_ms = source.check_clocks(now)
        if apart_ms:
            event = "clocks are too far apart: no work is taken from this scheduler"
            fields = {"scheduler": source.scheduler_id, "ahead_ms": apart_ms}
            effects.append(Say(logging.WARNING, event, fields))
        elif apart_ms == 0:
            event = "clocks agree again"
            effects.append(Say(logging.INFO, event, {"scheduler": source.scheduler_id}))
        heartbeat = pb.Heartbeat(
            sequence=source.beat(now),
            clock=pb.Clock(wall_ms=now.wall_ms, steady_ms=now.steady_ms),
            held_count=source.held_count,
            held_bytes=source.held_bytes,
            window=pb.Window() if source.clocks_apart else self._window(),
        )
        effects.append(Send(number, pb.ConnectRequest(heartbeat=heartbeat)))
        return effects

    # -- the log -----------------------------------------------------------------------------

    def take_due(self, now: Moment, limit: int) -> list[Record]:
        """Records to be published now, at most `limit`; each is with the publisher from here on.

        Of each scheduler in the wheel's order (users in turn, priority, instant); schedulers share
        the limit, so that what is late of one does not hold up another.
        """
        due: list[Record] = []
        turns: list[Source] = list(self._sources.values())
        while turns and len(due) < limit:
            share = max(1, (limit - len(due)) // len(turns))
            turns = [
                source
                for source in turns
                if self._take_from(source, now, min(share, limit - len(due)), due)
            ]
        return due

    def _take_from(self, source: Source, now: Moment, limit: int, due: list[Record]) -> bool:
        """Takes what is due of one scheduler; whether there may be more of it."""
        time_ms = source.time_ms(now)
        if limit <= 0 or time_ms is None or not source.permit.holds(now.steady_ms):
            return False
        items = source.wheel.pop_due(time_ms, limit)
        for item in items:
            if item.record.expire_ms <= now.steady_ms:
                reason = Unavailable("time ran out before it could be published")
                self._finish(item, reason, now)
            else:
                item.phase = Phase.STARTED
                due.append(item.record)
        return len(items) == limit

    def delivered(
        self, records: Sequence[Record], results: Sequence[Result], now: Moment
    ) -> list[Effect]:
        """The publisher has reported. `flush` then has something to send."""
        done: set[RunId] = set()
        for record, result in zip(records, results, strict=True):
            item = self._held.get(record.run)
            if item is None or item.record is not record:
                continue
            done.add(record.run)
            is_final = isinstance(result, Refused) or record.expire_ms <= now.steady_ms
            if isinstance(result, Ack) or (is_final and not item.is_void):
                self._finish(item, result, now)
            else:
                self._return(item, now)
        return self._settle(done, now) if self._settling else []

    def flush(self) -> list[Effect]:
        """Sends the outcomes that wait to be sent."""
        return [effect for stream in self._book.streams() for effect in self._flush(stream)]

    def settle(self, now: Moment) -> list[Effect]:
        """Answers revocations whose time to wait is over."""
        return self._settle(set(), now)

    def await_log(self) -> None:
        """The log was never reached: what another worker could publish is not taken from it."""
        self._awaits_log = True

    def reach_log(self) -> None:
        """The log answers. Should it be away later on, what is held waits for it."""
        self._awaits_log = False

    # -- the end -----------------------------------------------------------------------------

    def drain(self, now: Moment) -> list[Effect]:
        """Takes no more work, and says so to all schedulers."""
        self._draining = True
        effects: list[Effect] = []
        for number, stream in self._streams.items():
            if stream.source is not None:
                effects.append(Send(number, pb.ConnectRequest(drain=pb.WorkerDrain())))
                effects.extend(self.heartbeat(number, now))
        return effects

    def drained(self, now: Moment, grace_ms: int) -> bool:
        """Whether nothing more is expected: nothing with the publisher, nothing due, all told.

        Args:
            now: the clocks.
            grace_ms: what is due within this time is waited for.
        """
        if self._book.unacknowledged and self.connected:
            return False
        if len(self._held) > sum(len(source.wheel) for source in self._sources.values()):
            return False
        waits = [source.due_in_ms(now) for source in self._sources.values()]
        return all(wait is None or wait > grace_ms for wait in waits)

    def drop_abandoned(self, now: Moment) -> None:
        """Drops what waits for schedulers that cannot be reached and whose permission has ended.

        They give it to others from then on, or whoever owns the segments after them does.
        """
        abandoned = [
            source
            for source in self._sources.values()
            if source.stream is None and not source.permit.holds(now.steady_ms)
        ]
        for source in abandoned:
            source.end_all()
            self._void(source, kept=())
            if source.held_count == 0:
                del self._sources[source.scheduler_id]

    def _void(self, source: Source, kept: Container[RunId]) -> None:
        """A scheduler may give to others what it has assigned, except for some runs."""
        waiting = [item.run for item in source.wheel if item.run not in kept]
        self._drop(item for run in waiting if (item := source.wheel.remove(run)) is not None)
        for item in self._held.values():
            if item.run in kept:
                continue
            if item.scheduler_id == source.scheduler_id:
                item.is_void = True
            if item.successor is not None and item.successor.scheduler_id == source.scheduler_id:
                item.successor = None

    # -- messages of a scheduler -------------------------------------------------------------

    def _welcome(
        self, number: int, stream: _Stream, welcome: pb.Welcome, now: Moment
    ) -> list[Effect]:
        source = self._sources.get(welcome.scheduler_id)
        is_permitted = source is not None and source.permit.holds(now.steady_ms)
        if welcome.scheduler_id in stream.named.values() and not is_permitted:
            # It counts on what Hello has named, which may have been dropped since; or it had given
            # that to others before Hello came.
            return [CloseStream(number, "the permission ended before the scheduler welcomed us")]
        if source is None:
            source = self._sources[welcome.scheduler_id] = Source(welcome.scheduler_id)
        effects: list[Effect] = []
        if source.stream is not None and source.stream != number:
            # Two addresses of one scheduler: it, too, takes the newer stream for the session.
            effects.append(CloseStream(source.stream, "the same scheduler was reached again"))
            self._book.drop_stream(source.stream)
            self._streams.pop(source.stream, None)
        # It takes what Hello has named for all that is held.
        self._void(source, stream.named)
        stream.source = source
        source.reset(number)
        source.lease_ms = welcome.lease_ms
        source.heard_ms = now.steady_ms
        source.clock.observe(welcome.clock.wall_ms, stream.hello_ms, now.steady_ms)
        fields = {"scheduler": source.scheduler_id, "address": stream.address}
        effects.append(Say(logging.INFO, "connected to scheduler", fields))
        effects.append(HeartbeatEvery(number, welcome.heartbeat_interval_ms))
        effects.extend(self.heartbeat(number, now))
        if self._draining:
            effects.append(Send(number, pb.ConnectRequest(drain=pb.WorkerDrain())))
        self._book.enqueue(number, self._book.pending())
        effects.extend(self._flush(number))
        return effects

    def _heartbeat_ack(self, source: Source, ack: pb.HeartbeatAck, now: Moment) -> list[Effect]:
        source.answered(ack.sequence, ack.clock.wall_ms, ack.permission_ms, now)
        return []

    def _segments(self, source: Source, number: int, message: pb.Segments) -> list[Effect]:
        segments = {one.segment: one.epoch for one in message.segments}
        gained = [seg for seg, epoch in segments.items() if source.segments.get(seg) != epoch]
        source.segments = segments
        self._learn_owner(source, {segment: segments[segment] for segment in gained})
        self._book.enqueue(number, self._book.pending(gained))
        return self._flush(number)

    def _assignments(
        self, source: Source, number: int, message: pb.Assignments, now: Moment
    ) -> list[Effect]:
        taken: list[Record] = []
        known: list[Finished] = []
        for assignment in message.assignments:
            segment, epoch = assignment.key.segment, assignment.epoch
            owner = self._owners.get(segment)
            if owner is None or epoch > owner[0]:
                self._learn_owner(source, {segment: epoch})
            elif epoch < owner[0]:
                continue
            run = run_of(assignment.key)
            finished = self._book.find(run)
            if finished is not None:
                known.append(finished)
                continue
            item = self._held.get(run)
            if item is not None and item.epoch >= epoch and not item.is_void:
                continue
            permit = source.permit_of(segment, epoch)
            expire_ms = source.steady_of(assignment.expire_ms, now)
            fresh = held_of(assignment, source.scheduler_id, permit, expire_ms)
            if item is not None:
                # The publisher has it already, under a lower epoch or void; only if it comes back
                # from there unpublished, the new assignment counts.
                item.successor = fresh
                continue
            self._hold(source, fresh)
            taken.append(fresh.record)
        if known:
            self._book.enqueue(number, known)
        return [Expect(taken)] if taken else []

    def _revocation(
        self, source: Source, number: int, message: pb.Revocation, now: Moment
    ) -> list[Effect]:
        epochs = {one.segment: one.epoch for one in message.segments}
        jobs = frozenset(message.job_uids)
        runs = {run_of(key) for key in message.keys}
        for one in self._sources.values():
            self._drop(one.wheel.remove_jobs(jobs))
            self._drop(item for run in runs if (item := one.wheel.remove(run)) is not None)
        self._learn_owner(source, epochs)
        self._book.enqueue(number, self._book.pending(epochs))
        settling = _Settling(number, message.revocation_id, set(), now.steady_ms)
        for item in self._held.values():
            if item.phase is not Phase.STARTED:
                continue
            if item.epoch < epochs.get(item.segment, 0):
                settling.until_ms = now.steady_ms + SETTLE_MS
                settling.runs.add(item.run)
            elif item.run in runs or item.run.job_uid in jobs:
                settling.runs.add(item.run)
        self._settling.append(settling)
        return self._settle(set(), now)

    # -- what follows from them --------------------------------------------------------------

    def _learn_owner(self, source: Source, epochs: dict[int, int]) -> None:
        """A scheduler has named epochs: lower ones are void, wherever they came from."""
        raised: dict[int, int] = {}
        for segment, epoch in epochs.items():
            known = self._owners.get(segment)
            if known is None or epoch > known[0]:
                raised[segment] = epoch
            if known is None or epoch >= known[0]:
                self._owners[segment] = (epoch, source.scheduler_id)
        if raised:
            for one in self._sources.values():
                one.end_below(raised)
                self._drop(one.wheel.remove_below(raised))

    def _hold(self, source: Source, item: Held) -> None:
        self._held[item.run] = item
        source.wheel.add(item, item.due_ms)
        source.held_count += 1
        source.held_bytes += item.size
        self._held_bytes += item.size

    def _drop(self, items: Iterable[Held]) -> None:
        """Held no more."""
        for item in items:
            del self._held[item.run]
            self._held_bytes -= item.size
            source = self._sources[item.scheduler_id]
            source.held_count -= 1
            source.held_bytes -= item.size

    def _return(self, item: Held, now: Moment) -> None:
        """The publisher gave it back: it waits again, unless it is void by now."""
        source = self._sources[item.scheduler_id]
        superseded = item.epoch < self._owners.get(item.segment, (0, ""))[0]
        abandoned = source.stream is None and not source.permit.holds(now.steady_ms)
        if superseded or abandoned or item.is_void:
            self._drop([item])
            heir = item.successor
            if heir is not None and heir.scheduler_id in self._sources:
                self._hold(self._sources[heir.scheduler_id], heir)
            return
        item.phase = Phase.WAITING
        wait_ms = min(FIRST_RETRY_MS << min(item.returns, 10), MAX_RETRY_MS)
        item.returns += 1
        time_ms = source.time_ms(now) or now.wall_ms
        source.wheel.add(item, max(item.due_ms, time_ms + wait_ms))

    def _finish(self, item: Held, result: Result, now: Moment) -> None:
        """It has an outcome, for whoever owns the segment as far as we know."""
        self._drop([item])
        finished = Finished(item.run, item.segment, item.user, item.epoch, result, now.wall_ms)
        self._book.add(finished)
        owner = self._sources.get(self._owners.get(item.segment, (0, item.scheduler_id))[1])
        if owner is not None and owner.stream is not None:
            self._book.enqueue(owner.stream, [finished])
            return
        for source in self._sources.values():
            if source.stream is not None:
                self._book.enqueue(source.stream, [finished])

    def _flush(self, stream: int) -> list[Effect]:
        effects: list[Effect] = []
        while outcomes := self._book.take(stream, MAX_OUTCOMES):
            effects.append(Send(stream, pb.ConnectRequest(outcomes=outcomes)))
        return effects

    def _settle(self, done: set[RunId], now: Moment) -> list[Effect]:
        """Answers the revocations that wait for nothing more; their outcomes go first."""
        effects: list[Effect] = []
        waiting: list[_Settling] = []
        for one in self._settling:
            one.runs -= done
            if one.runs and now.steady_ms < one.until_ms:
                waiting.append(one)
                continue
            started = [
                key_message(run, item.segment)
                for run in sorted(one.runs)
                if (item := self._held.get(run)) is not None and item.phase is Phase.STARTED
            ]
            ack = pb.RevocationAck(revocation_id=one.revocation_id, already_started=started)
            effects.extend(self._flush(one.stream))
            effects.append(Send(one.stream, pb.ConnectRequest(revocation_ack=ack)))
        self._settling = waiting
        return effects

    def _window(self, extra_streams: int = 0) -> pb.Window:
        """This stream's share of what may be held.

        Outcomes that nobody acknowledges count once they are as many as the whole window: else
        they would grow without bound while a store is away.
        """
        if self._draining or self._awaits_log:
            return pb.Window()
        streams = sum(source.stream is not None for source in self._sources.values())
        share = max(1, streams + extra_streams)
        overdue = max(0, self._book.unacknowledged - self._limits.count)
        return pb.Window(
            max_count=max(0, self._limits.count - overdue) // share,
            max_bytes=self._limits.size // share if overdue < self._limits.count else 0,
        )

    def _retarget(self) -> list[Effect]:
        """Which schedulers there are by those we reach; those we began with if we reach none."""
        known = frozenset[str]().union(
            *(source.topology for source in self._sources.values() if source.stream is not None)
        )
        targets = known or self._targets | self._seeds
        if targets == self._targets:
            return []
        self._targets = targets
        return [ConnectTo(targets)]
