"""Watches: what changes comes once to whoever listens, however often the connection breaks."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest

from client.conftest import QUICK
from client.stand_in import UNAVAILABLE, StandIn, status
from tickwheel.client import ApiError, Client
from tickwheel.v1 import job_service_pb2, run_pb2

NAME = "users/7/jobs/nightly"


def run(number: int) -> run_pb2.Run:
    return run_pb2.Run(name=f"{NAME}/runs/{number}", state=run_pb2.RUN_STATE_SUCCEEDED)


async def next_run(messages: AsyncIterator[job_service_pb2.WatchRunsResponse]) -> str:
    """Name of the next run; messages that only renew the token are passed over."""
    async for message in messages:
        if message.HasField("run"):
            return message.run.name
    raise AssertionError


async def test_nothing_is_missed_after_the_first_message(api: StandIn, client: Client) -> None:
    await api.change(run(0))
    async with aclosing(client.watch_runs(NAME, filter="state = SUCCEEDED")) as messages:
        first = await anext(messages)
        assert not first.HasField("run")
        await api.change(run(1))
        assert await next_run(messages) == run(1).name
    (call,) = api.calls["WatchRuns"]
    assert (call.parent, call.filter, call.resume_token) == (NAME, "state = SUCCEEDED", "")


async def test_it_resumes_where_it_broke_off(
    api: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async with aclosing(client.watch_runs(NAME)) as messages:
        await anext(messages)
        await api.change(run(0))
        assert await next_run(messages) == run(0).name
        # The way back may fail more often than a call would be repeated.
        let_go = status(grpc.StatusCode.CANCELLED, "")
        api.refusals["WatchRuns"].extend([UNAVAILABLE] * 6 + [let_go])
        await api.break_off()
        await api.change(run(1))
        assert await next_run(messages) == run(1).name
        await api.break_off()
        await api.change(run(2))
        assert await next_run(messages) == run(2).name
    tokens = [call.resume_token for call in api.calls["WatchRuns"]]
    assert tokens == ["", *["1"] * 8, "2"]
    assert "resuming" in caplog.text


async def test_it_outlives_the_server(api: StandIn) -> None:
    async with api.serve() as address:
        client = Client(address, retry=QUICK)
        messages = client.watch_runs(NAME)
        await anext(messages)
        await api.change(run(0))
        assert await next_run(messages) == run(0).name
    await api.change(run(1))
    async with api.serve(port=int(address.partition(":")[2])):
        assert await next_run(messages) == run(1).name
        await messages.aclose()
        await client.close()


async def test_a_reader_that_was_too_slow_goes_on(api: StandIn, client: Client) -> None:
    api.refusals["WatchRuns"].append(
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_delay_ms=1)
    )
    async with aclosing(client.watch_runs(NAME, resume_token="0")) as messages:
        await api.change(run(0))
        assert await next_run(messages) == run(0).name


async def test_a_refused_watch_is_not_repeated(api: StandIn, client: Client) -> None:
    api.refusals["WatchRuns"].append(
        status(grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID")
    )
    with pytest.raises(ApiError, match="RESUME_TOKEN_INVALID"):
        await anext(client.watch_runs(NAME, resume_token="old"))
    assert len(api.calls["WatchRuns"]) == 1


async def test_a_watch_that_never_begins_is_given_up(api: StandIn, client: Client) -> None:
    api.refusals["WatchRuns"].extend([UNAVAILABLE] * 9)
    with pytest.raises(ApiError, match="STORE_UNAVAILABLE"):
        await anext(client.watch_runs(NAME))
    assert len(api.calls["WatchRuns"]) == QUICK.max_attempts
