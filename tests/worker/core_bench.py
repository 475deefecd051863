"""Drives a WorkerCore by hand: time passes only when told, schedulers say only what is told."""

from collections.abc import Iterable

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.clock import Moment
from tickwheel.worker.core import Identity, Limits, WorkerCore
from tickwheel.worker.effects import Effect, Send
from tickwheel.worker.publisher.port import Ack, Record, Result
from worker.making import NOW_MS, heartbeat_ack, welcome


class CoreBench:
    """A core, a clock, and all that the core has sent."""

    def __init__(self, count: int = 100, size: int = 1 << 20, seeds: Iterable[str] = ("a",)):
        self.core = WorkerCore(
            Identity(worker_id="w", version="1", host="h"), Limits(count, size), seeds
        )
        self.wall_ms = NOW_MS
        self.steady_ms = 1_000
        self.sent: dict[int, list[pb.ConnectRequest]] = {}
        self.effects: list[Effect] = []

    @property
    def now(self) -> Moment:
        return Moment(self.wall_ms, self.steady_ms)

    def pass_ms(self, duration_ms: int) -> None:
        self.wall_ms += duration_ms
        self.steady_ms += duration_ms

    def take(self, effects: list[Effect]) -> list[Effect]:
        self.effects.extend(effects)
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.setdefault(effect.stream, []).append(effect.message)
        return effects

    def connect(self, scheduler: str = "s1", address: str = "a", lease_ms: int = 3_000) -> int:
        """A welcomed stream, with permission for 2,500 ms."""
        stream, hello = self.core.open_stream(address, self.now)
        self.sent[stream] = [hello]
        self.hear(stream, welcome(scheduler, self.wall_ms, lease_ms))
        self.permit(stream)
        return stream

    def hear(self, stream: int, message: pb.ConnectResponse) -> list[Effect]:
        return self.take(self.core.receive(stream, message, self.now))

    def permit(self, stream: int, permission_ms: int = 2_500, wall_ms: int | None = None) -> None:
        """A heartbeat goes out and is answered at once."""
        self.take(self.core.heartbeat(stream, self.now))
        sequence = self.messages(stream, "heartbeat")[-1].heartbeat.sequence
        wall_ms = self.wall_ms if wall_ms is None else wall_ms
        self.hear(stream, heartbeat_ack(sequence, wall_ms, permission_ms))

    def messages(self, stream: int, kind: str) -> list[pb.ConnectRequest]:
        return [one for one in self.sent[stream] if one.WhichOneof("message") == kind]

    def due(self) -> list[Record]:
        return self.core.take_due(self.now, 1_000)

    def due_names(self) -> list[str]:
        return [record.run.run_id for record in self.due()]

    def report(self, records: list[Record], result: Result | None = None) -> None:
        """The publisher reports; what the core then wants to say is said."""
        result = result or Ack(3, 41, self.wall_ms)
        self.take(self.core.delivered(records, [result] * len(records), self.now))
        self.take(self.core.flush())

    def outcomes(self, stream: int) -> list[pb.Outcome]:
        """All outcomes sent over a stream so far."""
        return [o for m in self.messages(stream, "outcomes") for o in m.outcomes.outcomes]

    def outcome_names(self, stream: int) -> list[str]:
        return [outcome.key.run_id for outcome in self.outcomes(stream)]
