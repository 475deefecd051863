"""An executor that is a process of its own, notes each execution in a file, and may be killed.

Arguments: as JSON, see `Orders`.
"""

import asyncio
import dataclasses
import json
import os
import random
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from tickwheel.client import Executor, RetryPolicy, RunContext

_PACKAGE = os.path.join("tickwheel", "client", "executor")  # noqa: PTH118 - compared, not opened


@dataclasses.dataclass(frozen=True, slots=True)
class Orders:
    address: str
    effects: str
    topics: list[str]
    """The first one's handler is async, the others' are plain."""
    group: str
    concurrency: int
    session_timeout: float
    seed: int
    lines: int = 0
    """Kills itself (SIGKILL) as the executor comes to this many lines of its own code; 0: never."""
    kafka_bootstrap: str | None = None

    def words(self) -> list[str]:
        return [sys.executable, __file__, json.dumps(dataclasses.asdict(self))]


def _arm(lines: int) -> None:
    left = lines

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        return on_line if _PACKAGE in frame.f_code.co_filename else None

    threading.settrace(on_call)
    sys.settrace(on_call)


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    chance = random.Random(orders.seed)
    effects = os.open(orders.effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    executor = Executor(
        orders.address,
        group=orders.group,
        kafka_bootstrap=orders.kafka_bootstrap,
        concurrency=orders.concurrency,
        session_timeout=orders.session_timeout,
        retry=RetryPolicy(initial_backoff=0.02, max_backoff=0.2),
    )

    def note(ctx: RunContext) -> None:
        os.write(effects, f"{ctx.event_id}\n".encode())

    async def awaited(ctx: RunContext) -> None:
        await asyncio.sleep(chance.random() / 50)
        note(ctx)
        await asyncio.sleep(chance.random() / 50)

    def plain(ctx: RunContext) -> None:
        time.sleep(chance.random() / 50)
        note(ctx)
        time.sleep(chance.random() / 50)

    for topic in orders.topics:
        executor.handler(topic)(awaited if topic == orders.topics[0] else plain)
    if orders.lines:
        _arm(orders.lines)
    executor.run()


if __name__ == "__main__":
    main()
