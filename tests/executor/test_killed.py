"""Executors that are killed (SIGKILL) at any line: every run is executed, few of them twice."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engines_fixtures import KafkaServer

from executor.kafka import kafka_topic
from executor.records import UID
from executor.stand_in import Attempt, Ledger, embedded_log
from executor.victim import Orders
from tickwheel.v1 import run_pb2

CONCURRENCY = 8
PROCESSES = 3
PUBLISHED: dict[str, Any] = {
    "completion": "COMPLETION_PUBLISHED",
    "state": run_pb2.RUN_STATE_SUCCEEDED,
}


class Fleet:
    """Processes of which some die, and are replaced."""

    def __init__(self, folder: Path, orders: Orders, seed: int, kills: int) -> None:
        self._folder = folder
        self._orders = orders
        self._chance = random.Random(seed)
        self._kills_left = kills
        self._processes: list[subprocess.Popen[bytes]] = []
        self.kills = 0

    def start(self, *, armed: bool) -> None:
        # Some die as they start, some amid the work.
        lines = round(10 ** self._chance.uniform(2.3, 4.3)) if armed and self._kills_left else 0
        self._kills_left -= bool(lines)
        orders = replace(self._orders, seed=self._chance.getrandbits(32), lines=lines)
        with (self._folder / f"executor-{len(self._processes)}.log").open("ab") as log:
            self._processes.append(subprocess.Popen(orders.words(), stdout=log, stderr=log))

    def kill_now_and_then(self) -> None:
        """At any instant, rather than at a line."""
        if self._kills_left > 0 and self._chance.random() < 0.01:
            self._kills_left -= 1
            self._chance.choice(self._processes).kill()

    def replace_dead(self) -> None:
        for process in list(self._processes):
            if process.poll() is not None:
                assert process.returncode == -signal.SIGKILL, self.logs()
                self._processes.remove(process)
                self.kills += 1
                self.start(armed=True)

    @property
    def is_done_killing(self) -> bool:
        return self._kills_left <= 0

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            assert process.wait(30) in (0, -signal.SIGKILL), self.logs()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self._folder.glob("*.log"))


@asynccontextmanager
async def fleet(folder: Path, orders: Orders, seed: int, kills: int) -> AsyncGenerator[Fleet]:
    made = Fleet(folder, orders, seed, kills)
    try:
        for _ in range(PROCESSES):
            made.start(armed=True)
        yield made
    finally:
        made.kill()


def executions(orders: Orders) -> Counter[str]:
    path = Path(orders.effects)
    return Counter(path.read_text().split()) if path.exists() else Counter()


def is_executed(attempt: Attempt, seen: Counter[str]) -> bool:
    if attempt.completion == "COMPLETION_PUBLISHED":
        return event_id(attempt) in seen
    return attempt.is_over


def event_id(attempt: Attempt) -> str:
    return f"{UID}/{attempt.name.rpartition('/')[2]}/{attempt.number}"


async def survive(
    running: Fleet,
    orders: Orders,
    attempts: list[Attempt],
    publish_more: Callable[[], Any],
    timeout: float,
) -> None:
    async with asyncio.timeout(timeout):
        while True:
            await asyncio.sleep(0.05)
            running.kill_now_and_then()
            running.replace_dead()
            seen = executions(orders)
            if all(is_executed(attempt, seen) for attempt in attempts):
                if running.is_done_killing:
                    return
                # There has to be work to be killed at.
                await publish_more()


def check(orders: Orders, attempts: list[Attempt], kills: int, what: str, capsys: Any) -> None:
    seen = executions(orders)
    reported = [event_id(one) for one in attempts if one.completion == "COMPLETION_REPORTED"]
    published = [event_id(one) for one in attempts if one.completion != "COMPLETION_REPORTED"]
    again = {
        kind: sum(seen[one] - 1 for one in ids)
        for kind, ids in (("reported", reported), ("published", published))
    }
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what a reader wants to see
            f"\n{what}: {len(attempts)} runs, {kills} executors killed, {seen.total()} executions, "
            f"second ones {again}, at most {CONCURRENCY} were in work at a kill"
        )
    assert seen.keys() == {*reported, *published}
    assert max(seen.values()) <= 1 + kills
    assert again["reported"] <= kills * CONCURRENCY
    # Of these also what was finished and not yet committed is executed again.
    assert again["published"] <= kills * CONCURRENCY * 4


class Work:
    """Runs that are published in portions, half of them reported."""

    def __init__(self, ledger: Ledger, topics: list[str], publish: Callable[[Any], Any]) -> None:
        self._ledger = ledger
        self._topics = topics
        self._publish = publish
        self.attempts: list[Attempt] = []

    async def publish(self, count: int) -> None:
        records: list[Any] = []
        for number in range(len(self.attempts), len(self.attempts) + count):
            completion = PUBLISHED if number % 4 >= 2 else {}
            attempt, record = self._ledger.add(
                number, topic=self._topics[number % len(self._topics)], timeout=600, **completion
            )
            self.attempts.append(attempt)
            records.append(record)
        await self._publish(records)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
async def test_on_the_embedded_log(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger()
    async with embedded_log(tmp_path / "records.db") as log, ledger.serve() as address:
        ledger.log = log
        orders = Orders(
            address=address,
            effects=str(tmp_path / "effects"),
            topics=["async", "plain"],
            group="g",
            concurrency=CONCURRENCY,
            session_timeout=1.0,
            seed=seed,
        )
        work = Work(ledger, orders.topics, ledger.append)
        await work.publish(500)
        async with fleet(tmp_path, orders, seed, kills=12) as running:
            await survive(running, orders, work.attempts, lambda: work.publish(100), 240)
            running.stop()
        check(orders, work.attempts, running.kills, "embedded log", capsys)


@pytest.mark.timeout(300)
async def test_on_kafka(
    tmp_path: Path, kafka_server: KafkaServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger()
    async with kafka_topic(kafka_server.bootstrap) as topic, ledger.serve() as address:
        orders = Orders(
            address=address,
            effects=str(tmp_path / "effects"),
            topics=[topic.name],
            group=topic.group,
            concurrency=CONCURRENCY,
            session_timeout=6.0,
            seed=3,
            kafka_bootstrap=topic.bootstrap,
        )
        work = Work(ledger, orders.topics, topic.publish)
        await work.publish(500)
        async with fleet(tmp_path, orders, 3, kills=6) as running:
            await survive(running, orders, work.attempts, lambda: work.publish(100), 240)
            running.stop()
        check(orders, work.attempts, running.kills, "Kafka", capsys)
        assert await topic.committed() == len(work.attempts)


SLOW = """
import sys, threading
from tickwheel.client import Executor
executor = Executor(sys.argv[1], drain_timeout=30)
@executor.handler("billing")
def bill(ctx):
    threading.Event().wait(ctx.payload)
executor.run()
"""


def start_slow(address: str, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen([sys.executable, "-c", SLOW, address], stderr=file)


@pytest.mark.parametrize("signals", [1, 2])
async def test_the_first_signal_stops_in_order_and_the_second_at_once(
    tmp_path: Path, signals: int
) -> None:
    ledger = Ledger()
    output = tmp_path / "log"
    async with embedded_log() as log, ledger.serve() as address:
        ledger.log = log
        process = start_slow(address, output)
        try:
            attempt = await ledger.publish(1, payload=b"1.0" if signals == 1 else b"60")
            await ledger.until(lambda: attempt.starts)
            process.send_signal(signal.SIGTERM)
            if signals == 2:
                while "stopping" not in output.read_text():
                    await asyncio.sleep(0.02)
                process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(process.wait, 20)
        finally:
            process.kill()
            process.wait()
        if signals == 1:
            assert (code, attempt.state) == (0, run_pb2.RUN_STATE_SUCCEEDED), output.read_text()
        else:
            assert (code, attempt.is_over) == (-signal.SIGTERM, False), output.read_text()
