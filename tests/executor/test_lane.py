"""Reports: together in few calls, repeated until answered, and none suffering for another."""

import asyncio
from collections.abc import Callable, Sequence

import grpc
import pytest
from google.rpc import status_pb2

from executor.stand_in import STALE, UNOWNED, status
from tickwheel.client import ApiError, RetryPolicy
from tickwheel.client.executor import lane
from tickwheel.client.executor.lane import Lane, Metadata
from tickwheel.v1 import executor_service_pb2 as pb

Reports = Lane[pb.FinishRun, pb.FinishRunResult]
QUICK = RetryPolicy(initial_backoff=0.001, max_backoff=0.01)


class Server:
    """Answers calls as it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.metadata: list[Metadata] = []
        self.refuse: Callable[[Sequence[str]], grpc.StatusCode | None] = lambda names: None
        self.refuse_item: Callable[[str], status_pb2.Status | None] = lambda name: None

    async def __call__(
        self, items: Sequence[pb.FinishRun], metadata: Metadata, timeout: float
    ) -> Sequence[pb.FinishRunResult]:
        names = [item.attempt.run for item in items]
        self.calls.append(names)
        self.metadata.append(metadata)
        code = self.refuse(names)
        if code is not None:
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "no")
        return [pb.FinishRunResult(error=self.refuse_item(name)) for name in names]


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def reports(server: Server) -> Reports:
    return Lane("FinishRuns", server, QUICK)


def report(name: str, details: str = "") -> pb.FinishRun:
    item = pb.FinishRun(attempt=pb.RunAttempt(run=name))
    if details:
        item.error.details = details
    return item


async def test_what_comes_together_goes_together(reports: Reports, server: Server) -> None:
    names = [str(number) for number in range(2_500)]
    await asyncio.gather(*(reports.send(report(name)) for name in names))
    assert [len(call) for call in server.calls] == [1_000, 1_000, 500]
    assert sorted(name for call in server.calls for name in call) == sorted(names)


async def test_a_call_has_a_size(reports: Reports, server: Server) -> None:
    await asyncio.gather(
        *(reports.send(report(str(number), "x" * 60_000)) for number in range(100))
    )
    assert all(len(call) * 60_000 <= lane.MAX_BYTES for call in server.calls)
    assert len(server.calls) == 3


async def test_a_server_that_is_away_is_asked_until_it_answers(
    reports: Reports, server: Server
) -> None:
    server.refuse = lambda names: grpc.StatusCode.UNAVAILABLE if len(server.calls) < 20 else None
    await asyncio.gather(*(reports.send(report(str(number))) for number in range(50)))
    # Still together.
    assert [len(call) for call in server.calls] == [50] * 20


async def test_refused_items_are_repeated_or_not_by_themselves(
    reports: Reports, server: Server
) -> None:
    refusals = {"unowned": UNOWNED, "stale": STALE}

    def refuse_item(name: str) -> status_pb2.Status | None:
        return refusals.get(name) if len(server.calls) < 3 else None

    server.refuse_item = refuse_item
    results = await asyncio.gather(
        *(reports.send(report(name)) for name in ("good", "unowned", "stale")),
        return_exceptions=True,
    )
    good, unowned, stale = results
    assert isinstance(good, pb.FinishRunResult)
    assert isinstance(unowned, pb.FinishRunResult)
    assert isinstance(stale, ApiError)
    assert stale.reason == "STALE_FENCE"
    assert server.calls == [["good", "unowned", "stale"], ["unowned"], ["unowned"]]


async def test_one_bad_item_harms_no_other(reports: Reports, server: Server) -> None:
    server.refuse = lambda names: grpc.StatusCode.INVALID_ARGUMENT if "bad" in names else None
    names = [*(str(number) for number in range(30)), "bad"]
    results = await asyncio.gather(
        *(reports.send(report(name)) for name in names), return_exceptions=True
    )
    assert [type(result) for result in results] == [pb.FinishRunResult] * 30 + [ApiError]
    assert len(server.calls) < 14


async def test_an_item_that_breaks_the_server_is_repeated_alone(
    reports: Reports, server: Server
) -> None:
    server.refuse = lambda names: grpc.StatusCode.INTERNAL if "bad" in names else None
    bad = asyncio.ensure_future(reports.send(report("bad")))
    await asyncio.gather(*(reports.send(report(str(number))) for number in range(9)))
    assert not bad.done()
    server.refuse = lambda names: None
    await bad


async def test_it_gives_up_when_its_time_is_over(reports: Reports, server: Server) -> None:
    server.refuse = lambda names: grpc.StatusCode.UNAVAILABLE
    until = asyncio.get_running_loop().time() + 0.1
    with pytest.raises(ApiError, match="UNAVAILABLE"):
        await reports.send(report("late"), until=until)
    assert len(server.calls) > 2
    server.calls.clear()
    with pytest.raises(ApiError):
        await reports.send(report("once"), until=0.0)
    assert len(server.calls) == 1


async def test_the_server_says_when(reports: Reports, server: Server) -> None:
    asked = status(grpc.StatusCode.UNAVAILABLE, "SEGMENT_UNOWNED", retry_delay_ms=150)
    server.refuse_item = lambda name: asked if len(server.calls) == 1 else None
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await reports.send(report("1"))
    assert loop.time() - begun >= 0.15


async def test_who_has_gone_is_not_reported(reports: Reports, server: Server) -> None:
    gone = asyncio.ensure_future(reports.send(report("gone")))
    await asyncio.sleep(0)
    gone.cancel()
    await reports.send(report("here"))
    assert server.calls == [["here"]]


async def test_a_call_of_one_trace_carries_it(reports: Reports, server: Server) -> None:
    await asyncio.gather(*(reports.send(report("1"), traceparent="00-a") for _ in range(2)))
    await asyncio.gather(*(reports.send(report("1"), traceparent=f"00-{n}") for n in range(2)))
    await reports.send(report("1"))
    assert server.metadata == [(("traceparent", "00-a"),), (), ()]


async def test_an_answer_that_cannot_be_is_an_error(server: Server) -> None:
    async def mad(*_: object) -> Sequence[pb.FinishRunResult]:
        return []

    reports: Reports = Lane("FinishRuns", mad, QUICK)
    with pytest.raises(ValueError, match="zip"):
        await reports.send(report("1"))
