"""An executor: follows topics, and reports by the three calls alone, as a program without the SDK.

It outlives all faults, so what comes of a run depends on the servers alone; what its handler did,
and which ends were taken from it, is for the judge.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from simulator.calls import Calls
from simulator.chance import Chance
from simulator.log import Entry, SimLog
from simulator.process import SimProcess
from simulator.serving import CallFailed
from simulator.trace import Trace
from tickwheel.server.domain.names import occurrence_of
from tickwheel.v1 import executor_service_pb2 as pb
from tickwheel.v1 import run_pb2

#: Topics whose names begin so have an executor; but for dead letters.
EXECUTED_TOPIC = "x"
#: Runs by hand of jobs whose names begin so are at work until then, since the beginning; their
#: others take no time.
LONG_JOB = "long"
_LONG_UNTIL_MS = 66_000
_LOOK_S = 0.02
_AGAIN_S = 0.25
_BEAT_S = 5.0
_TIMEOUT_S = 6.0
_FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT.value[0],
        grpc.StatusCode.NOT_FOUND.value[0],
        grpc.StatusCode.FAILED_PRECONDITION.value[0],
    }
)
_CANCELLED = run_pb2.RUN_STATE_CANCELLED
_FAILED = run_pb2.RUN_STATE_FAILED
_SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED


@dataclass(frozen=True, slots=True)
class Ended:
    """An end that was taken: the server has said that it is stored."""

    uid: str
    run_id: str
    attempt: int
    state: run_pb2.RunState


class Executor:
    """Executes each record by itself, all at once."""

    def __init__(
        self,
        process: SimProcess,
        calls: Calls,
        addresses: Sequence[str],
        log: SimLog,
        chance: Chance,
        trace: Trace,
    ) -> None:
        self._process = process
        self._calls = calls
        self._addresses = addresses
        self._log = log
        self._chance = chance
        self._trace = trace
        self._read: Counter[str] = Counter()
        #: How often the handler was called, by job uid, run id and attempt.
        self.handled: Counter[tuple[str, str, int]] = Counter()
        #: Ends that were taken.
        self.ended: list[Ended] = []
        #: Records that are at work, and since when by the true time, Unix milliseconds.
        self.busy: dict[Entry, int] = {}
        self._begun_ms = 0

    def begin(self) -> None:
        """Follows the log from its beginning on."""
        self._begun_ms = self._process.host.true_ms()
        self._process.spawn(self._follow())

    async def _follow(self) -> None:
        while True:
            for topic, entries in list(self._log.topics.items()):
                if not topic.startswith(EXECUTED_TOPIC) or topic.endswith(".dlq"):
                    continue
                for entry in entries[self._read[topic] :]:
                    self._read[topic] += 1
                    self.busy[entry] = self._process.host.true_ms()
                    self._process.spawn(self._execute(entry))
            await self._process.clock.sleep(_LOOK_S)

    async def _execute(self, entry: Entry) -> None:
        headers = {name: value.decode() for name, value in entry.record.headers}
        uid, run_id, attempt = headers["ce_id"].split("/")
        key = pb.RunAttempt(
            run=f"{headers['ce_source']}/runs/{run_id}",
            job_uid=uid,
            attempt=int(attempt),
            fence=int(headers["ce_fence"]),
        )
        chance = self._chance.stream(f"executor/{headers['ce_id']}/{key.fence}")
        luck, work_ms, until_ms = chance.random(), chance.choice((20, 200, 900, 2_500)), 0
        if headers["ce_source"].rpartition("/")[2].startswith(LONG_JOB):
            luck, work_ms = 0.5, 20
            until_ms = _LONG_UNTIL_MS if occurrence_of(run_id) is None else 0
        try:
            await self._carry_out(key, luck, work_ms / 1000, until_ms)
        finally:
            del self.busy[entry]

    async def _carry_out(
        self, key: pb.RunAttempt, luck: float, seconds: float, until_ms: int
    ) -> None:
        started = await self._until_answered(
            "StartRuns", pb.StartRunsRequest(runs=[pb.StartRun(attempt=key)], executor="x0")
        )
        if started is None:
            return
        uid, run_id = key.job_uid, key.run.rpartition("/")[2]
        end = pb.FinishRun(attempt=key, state=_CANCELLED)
        if not started.cancel_requested:
            self.handled[uid, run_id, key.attempt] += 1
            left_ms = until_ms - (self._process.host.true_ms() - self._begun_ms)
            seconds = max(seconds if luck < 0.9 else 7.0, left_ms / 1000)
            cancelled = await self._work(key, seconds)
            if cancelled is None:
                return
            if not cancelled:
                end.state = _FAILED if luck < 0.2 else _SUCCEEDED
                end.retryable = luck > 0.05
        if await self._until_answered("FinishRuns", pb.FinishRunsRequest(runs=[end])) is not None:
            self.ended.append(Ended(uid, run_id, key.attempt, end.state))

    async def _work(self, key: pb.RunAttempt, seconds: float) -> bool | None:
        """Whether it was cancelled meanwhile; None where the attempt is lost."""
        while seconds > _BEAT_S:
            await self._process.clock.sleep(_BEAT_S)
            seconds -= _BEAT_S
            beat = pb.HeartbeatRun(attempt=key)
            answer = await self._until_answered(
                "HeartbeatRuns", pb.HeartbeatRunsRequest(runs=[beat]), tries=1
            )
            if answer is None:
                return None
            if answer.cancel_requested:
                return True
        await self._process.clock.sleep(seconds)
        return False

    async def _until_answered(self, method: str, request: Any, tries: int = 0) -> Any:
        """The answer to the only report of a request; None where it is refused for good."""
        pick: Callable[[Sequence[str]], str] = self._chance.stream("executor").choice
        while True:
            try:
                response = await self._calls.call(
                    self._process.host.name,
                    pick(self._addresses),
                    f"/tickwheel.v1.ExecutorService/{method}",
                    request,
                    _TIMEOUT_S,
                )
            except CallFailed:
                pass
            else:
                result = response.results[0]
                if not result.HasField("error"):
                    return result
                if result.error.code in _FINAL:
                    run = request.runs[0].attempt
                    self._trace.note("refused", method, run.run, run.attempt, result.error.message)
                    return None
            if tries == 1:
                # A heartbeat that nobody has answered is followed by the next one.
                return pb.HeartbeatRunResult()
            await self._process.clock.sleep(_AGAIN_S)
