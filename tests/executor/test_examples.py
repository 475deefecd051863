"""The examples in other languages: stubs alone are enough to take part, on both logs."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bootstrap.go import go
from bootstrap.node import node
from codegen.generate import install_npm_packages
from engines_fixtures import KafkaServer

from executor.kafka import kafka_topic
from executor.stand_in import UNOWNED, Attempt, Ledger, embedded_log
from tickwheel.v1 import run_pb2

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PUBLISHED: dict[str, Any] = {
    "completion": "COMPLETION_PUBLISHED",
    "state": run_pb2.RUN_STATE_SUCCEEDED,
}
SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED


@pytest.fixture(scope="module")
def go_example(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    binary = tmp_path_factory.mktemp("go") / "executor-go"
    command = [go(), "build", "-C", EXAMPLES / "executor-go", "-o", binary, "."]
    subprocess.run(command, check=True)
    return [str(binary)]


@pytest.fixture(scope="module")
def ts_example() -> list[str]:
    runtime = node()
    path = os.pathsep.join((str(runtime.parent), os.environ["PATH"]))
    install_npm_packages(path)
    folder = EXAMPLES / "executor-ts"
    compiler = EXAMPLES.parent / "node_modules" / ".bin" / "tsc"
    subprocess.run([compiler, "-p", folder], env=os.environ | {"PATH": path}, check=True)
    return [str(runtime), str(folder / "build" / "examples" / "executor-ts" / "src" / "main.js")]


@pytest.fixture(params=["go", "ts"])
def program(request: pytest.FixtureRequest) -> list[str]:
    return request.getfixturevalue(f"{request.param}_example")


@contextmanager
def started(command: list[str], output: Path) -> Generator[subprocess.Popen[bytes]]:
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class World:
    """A log, and what the server knows."""

    def __init__(self, ledger: Ledger, words: list[str], topic: str, publish: Any) -> None:
        self.ledger = ledger
        self.words = words
        self._topic = topic
        self._publish = publish
        self._count = 0

    async def publish(self, order: object, **attributes: Any) -> Attempt:
        self._count += 1
        attempt, record = self.ledger.add(
            self._count, topic=self._topic, payload=json.dumps(order).encode(), **attributes
        )
        await self._publish([record])
        return attempt

    async def publish_no_run(self) -> None:
        _, record = self.ledger.add(999, topic=self._topic)
        record.headers.clear()
        await self._publish([record])


@pytest.fixture(params=["embedded", "kafka"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    ledger = Ledger()
    async with ledger.serve() as address:
        if request.param == "embedded":
            async with embedded_log() as log:
                ledger.log = log
                words = ["--address", address, "--topic", "greetings", "--group", "g"]
                yield World(ledger, words, "greetings", ledger.append)
        else:
            server: KafkaServer = request.getfixturevalue("kafka_server")
            async with kafka_topic(server.bootstrap) as topic:
                words = ["--address", address, "--topic", topic.name, "--group", topic.group]
                words += ["--kafka-bootstrap", topic.bootstrap]
                yield World(ledger, words, topic.name, topic.publish)


@pytest.mark.kafka_server
@pytest.mark.timeout(300)
async def test_an_executor_in_another_language(
    program: list[str], world: World, tmp_path: Path
) -> None:
    ledger, output = world.ledger, tmp_path / "output"
    ledger.heartbeat_ms = 200
    for method in ("StartRuns", "FinishRuns"):
        ledger.refusals[method].append(UNOWNED)
        ledger.item_refusals[method].append(UNOWNED)
    await world.publish_no_run()
    good = await world.publish({"text": "grüezi"})
    await world.publish({"text": "nobody waits to hear of this"}, **PUBLISHED)
    failing = await world.publish({"text": "x", "fail": True})
    again = await world.publish({"text": "x", "fail": True}, attempt=2)
    broken = await world.publish([1, "not an order"])
    cancelled = await world.publish({"text": "x"}, cancel_requested=True)
    over = await world.publish({"text": "never"}, state=run_pb2.RUN_STATE_FAILED)
    with started([*program, *world.words], output) as process:
        await ledger.ended(good, failing, again, broken, cancelled, timeout=120)
        while "nobody waits" not in output.read_text():
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0, output.read_text()
    assert good.state == SUCCEEDED
    assert good.finish is not None
    assert good.finish.result.struct_value.fields["characters"].number_value == 6
    assert failing.finish is not None
    assert (failing.state, failing.finish.retryable) == (run_pb2.RUN_STATE_FAILED, True)
    assert failing.finish.error.message == "the first attempt fails on purpose"
    assert again.state == SUCCEEDED
    assert cancelled.state == run_pb2.RUN_STATE_CANCELLED
    assert not over.starts
    assert "it is no run" in output.read_text()
    assert "never" not in output.read_text()


@pytest.mark.timeout(300)
async def test_what_is_finished_is_not_handed_out_again(
    program: list[str], world: World, tmp_path: Path
) -> None:
    attempts = [await world.publish({"text": str(number)}) for number in range(40)]
    with started([*program, *world.words], tmp_path / "first") as process:
        await world.ledger.ended(*attempts, timeout=120)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    calls = len(world.ledger.calls["StartRuns"])
    last = await world.publish({"text": "last"})
    with started([*program, *world.words], tmp_path / "second"):
        await world.ledger.ended(last, timeout=120)
    assert len(world.ledger.calls["StartRuns"]) == calls + 1
