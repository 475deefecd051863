"""The log: topics in memory behind the publisher port, and what may go wrong on the way there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from simulator.chance import Chance
from simulator.loop import SimLoop
from simulator.process import SimProcess
from tickwheel.worker.publisher.port import (
    Ack,
    Publisher,
    Record,
    Refused,
    Report,
    Result,
    RunId,
    Unavailable,
)

#: Records of topics whose names begin so are refused.
REFUSED_TOPIC = "refused"
#: Topics whose names begin so cannot be reached until then.
GONE_TOPIC = "gone"
REACHED_US = 38_000_000
#: How often they are asked for.
_ASK_US = 500_000
#: A request to the log that is not answered is given up after this long.
REQUEST_US = 900_000
RETRY_US = 50_000


@dataclass(slots=True, eq=False)
class Entry:
    """One record as it lies on the log. All times are true ones, microseconds."""

    record: Record
    offset: int
    #: When its producer handed it over, and when its worker began with that.
    given_us: int
    begun_us: int
    #: When the log took it in.
    taken_us: int
    worker: str
    #: The process that was told so; None while nobody was.
    heard_by: SimProcess | None = None


@dataclass(slots=True)
class LogWeather:
    """What is wrong with the log, for one process or for all."""

    down_until_us: int = 0
    #: Requests fail with this probability: not taken, taken but not answered, or taken later.
    shaky_until_us: int = 0
    failure: float = 0.0
    late_us: int = 0
    slow_until_us: int = 0
    slow_us: int = 0


class SimLog:
    """All topics, each of one partition."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.topics: dict[str, list[Entry]] = {}
        #: Per producer, which attempts it has delivered: what an idempotent producer repeats is
        #: not taken twice.
        self._taken: dict[tuple[str, int], dict[RunId, int]] = {}
        #: Of which attempts the segment's owners were told that they are there: epoch, and when.
        self.told: dict[RunId, list[tuple[int, int]]] = {}

    def take(
        self,
        producer: tuple[str, int],
        record: Record,
        given_us: int,
        begun_us: int,
        worker: str,
    ) -> int:
        """Takes a record in; returns its offset."""
        known = self._taken.setdefault(producer, {})
        offset = known.get(record.run)
        if offset is None:
            topic = self.topics.setdefault(record.topic, [])
            offset = known[record.run] = len(topic)
            topic.append(Entry(record, offset, given_us, begun_us, self._loop.now_us, worker))
        return offset

    def note_told(self, run: RunId, epoch: int) -> None:
        """An owner was told that a record is there."""
        self.told.setdefault(run, []).append((epoch, self._loop.now_us))

    def note_heard(self, record: Record, offset: int, process: SimProcess) -> None:
        """A worker was told that a record is there."""
        self.topics[record.topic][offset].heard_by = process


class SimPublisher(Publisher):
    """One worker's producer."""

    def __init__(
        self,
        loop: SimLoop,
        process: SimProcess,
        log: SimLog,
        chance: Chance,
        weathers: list[LogWeather],
    ) -> None:
        self._loop = loop
        self._process = process
        self._log = log
        self._chance = chance.stream(f"log/{process}")
        self._weathers = weathers
        #: Thrown away, with its sequence numbers, whenever something was given up.
        self._producer = 0
        self._report: Report = _not_started
        self._outstanding: dict[RunId, Record] = {}
        #: The records that were given to it last, and when each first was: one that it gives back
        #: comes again as it is, and goes on; one that was assigned anew is another record.
        self._begun: dict[RunId, tuple[Record, int]] = {}
        self._idle = asyncio.Event()
        self._ready = True
        self.failures = 0

    @override
    async def start(self, report: Report) -> None:
        self._report = report

    @property
    @override
    def ready(self) -> bool:
        return self._ready

    @override
    async def publish(self, records: Sequence[Record]) -> None:
        refused = [record for record in records if record.topic.startswith(REFUSED_TOPIC)]
        if refused:
            self._process.call_in_us(
                1_000, self._tell, refused, [Refused("not allowed")] * len(refused)
            )
        rest = [record for record in records if not record.topic.startswith(REFUSED_TOPIC)]
        for record in rest:
            self._outstanding[record.run] = record
            known = self._begun.get(record.run)
            if known is None or known[0] is not record:
                self._begun[record.run] = (record, self._loop.now_us)
        self._give(rest)

    def _give(self, records: Sequence[Record]) -> None:
        """Hands records to the log, those that may be."""
        clock = self._process.clock
        steady_ms = clock.steady_ms()
        going: list[Record] = []
        lapsed: list[Record] = []
        gone: list[Record] = []
        is_reached = self._loop.now_us >= REACHED_US
        for record in records:
            if self._outstanding.get(record.run) is not record:
                continue
            holds = record.permit.holds(steady_ms) and steady_ms < record.expire_ms
            if holds and not is_reached and record.topic.startswith(GONE_TOPIC):
                gone.append(record)
            else:
                (going if holds else lapsed).append(record)
        if lapsed:
            self._producer += 1
            self._tell(lapsed, [Unavailable("permission or time ran out")] * len(lapsed))
        if gone:
            self.failures += 1
            self._process.call_in_us(_ASK_US, self._give, gone)
        if going:
            self._request(going)

    def _request(self, records: Sequence[Record]) -> None:
        now_us = self._loop.now_us
        slow_us = down_until_us = 0
        for weather in self._weathers:
            down_until_us = max(down_until_us, weather.down_until_us)
            if weather.slow_until_us > now_us:
                slow_us += int(self._chance.random() * weather.slow_us)
            if weather.shaky_until_us > now_us and self._chance.random() < weather.failure:
                self._fail(records, weather)
                return
        self._ready = down_until_us <= now_us
        if not self._ready:
            self.failures += 1
            self._process.call_in_us(RETRY_US, self._give, records)
            return
        there_us = 200 + int(self._chance.random() * 800) + slow_us
        self._send(there_us, records, answered=there_us < REQUEST_US)
        if there_us >= REQUEST_US:
            self._process.call_in_us(REQUEST_US + RETRY_US, self._give, records)

    def _fail(self, records: Sequence[Record], weather: LogWeather) -> None:
        self.failures += 1
        way = self._chance.random()
        late_us = int(self._chance.random() * weather.late_us)
        if way > 0.6:
            self._send(500, records, answered=False)
        elif way > 0.3:
            self._send(500 + late_us, records, answered=False)
        self._process.call_in_us(REQUEST_US + RETRY_US, self._give, records)

    def _send(self, delay_us: int, records: Sequence[Record], *, answered: bool) -> None:
        producer = (repr(self._process), self._producer)
        self._loop.call_in_us(
            delay_us,
            self._arrive,
            producer,
            records,
            self._loop.now_us,
            [self._begun[record.run][1] for record in records],
            answered,
            context=self._loop.world,
        )

    def _arrive(
        self,
        producer: tuple[str, int],
        records: Sequence[Record],
        given_us: int,
        begun_us: Sequence[int],
        answered: bool,
    ) -> None:
        """At the log."""
        worker = self._process.name
        offsets = [
            self._log.take(producer, record, given_us, begun, worker)
            for record, begun in zip(records, begun_us, strict=True)
        ]
        if answered:
            at_ms = self._process.host.true_ms()
            acks = [Ack(0, offset, at_ms) for offset in offsets]
            self._process.call_in_us(300, self._tell, records, acks)

    def _tell(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        """Reports what is still outstanding; a repeated answer is passed over."""
        told: list[Record] = []
        answers: list[Result] = []
        for record, result in zip(records, results, strict=True):
            outstanding = self._outstanding.pop(record.run, None)
            if outstanding is record or isinstance(result, Refused):
                if isinstance(result, Ack):
                    self._log.note_heard(record, result.offset, self._process)
                told.append(record)
                answers.append(result)
            elif outstanding is not None:
                self._outstanding[record.run] = outstanding
        if not self._outstanding:
            self._idle.set()
        if told:
            self._report(told, answers)

    @override
    async def abort(self) -> None:
        self._producer += 1
        lost = list(self._outstanding.values())
        self._tell(lost, [Unavailable("thrown away")] * len(lost))

    @override
    async def close(self) -> None:
        while self._outstanding:
            self._idle.clear()
            await self._idle.wait()


def _not_started(_records: Sequence[Record], _results: Sequence[Result]) -> None:
    raise RuntimeError("the publisher was not started")
