"""The executor of W2 as a process of the bench's own."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from typing_extensions import override

from tickwheel.server.bench.bench import Bench
from tickwheel.server.bench.cluster import Addresses
from tickwheel.server.bench.jobs import once
from tickwheel.server.bench.measure import Part
from tickwheel.server.bench.program import running
from tickwheel.server.bench.ready import START_S, end_of
from tickwheel.server.bench.topic import Topic, come
from tickwheel.server.bench.verdict import Seen

NAME = "executor"
_PROGRAM = "tickwheel.server.bench.executor_program"
_POLL_S = 0.02


class HandledTopic(Topic):
    """A topic whose records an executor takes.

    Args:
        topic: the same, as the log has it.
        notes: the executor's, of its handler's starts.
    """

    def __init__(self, topic: Topic, notes: Path) -> None:
        self.name = topic.name
        self._topic = topic
        self._notes = notes
        #: Those of before the workload began.
        self._before: frozenset[str] = frozenset()

    @override
    async def arrived(self, count: int, patience_s: float) -> None:
        """Waits until so many handlers were started, or none has been for so long."""

        async def started() -> int:
            return self._notes.read_bytes().count(b"\n") - len(self._before)

        await come(started, count, patience_s)

    @override
    async def read(self, count: int) -> list[Seen]:
        seen = await self._topic.read(count + len(self._before))
        return [each for each in seen if each.ce_id not in self._before]

    def starts(self) -> list[Seen]:
        """The handler's starts, each with the instant by its own clock."""
        return [each for each in starts_of(self._notes) if each.ce_id not in self._before]

    def begin(self) -> None:
        """What has been started so far does not count."""
        self._before = frozenset(each.ce_id for each in starts_of(self._notes))


def starts_of(notes: Path) -> list[Seen]:
    """What an executor has noted; a last line that is not whole yet is left out."""
    whole, _, _ = notes.read_text().rpartition("\n")
    return [Seen(ce_id, int(at_ms)) for ce_id, at_ms in map(str.split, whole.splitlines())]


@asynccontextmanager
async def executor_on(bench: Bench, topic: Topic) -> AsyncGenerator[HandledTopic]:
    """A running executor that has executed a first run; it is one of the bench's programs.

    Raises:
        RuntimeError: it executes nothing; the text ends with its log.
    """
    with TemporaryDirectory(prefix="tickwheel-bench-executor-") as folder:
        log_file, notes = Path(folder) / "executor.log", Path(folder) / "starts.txt"
        notes.touch()
        env = {**os.environ, **_environment(bench.cluster.addresses, topic.name)}
        with log_file.open("ab") as log:
            async with running(
                _PROGRAM, topic.name, notes, stdout=log, stderr=log, env=env
            ) as process:
                await _until_executing(bench, topic.name, process, notes, log_file)
                bench.programs[NAME] = Part(process.pid)
                handled = HandledTopic(topic, notes)
                handled.begin()
                try:
                    yield handled
                finally:
                    del bench.programs[NAME]


def _environment(addresses: Addresses, group: str) -> Mapping[str, str]:
    # A group of its own: in somebody's cluster others may have executors.
    known = {"TICKWHEEL_ADDRESS": addresses.grpc, "TICKWHEEL_GROUP": group}
    return known | ({"TICKWHEEL_KAFKA_BOOTSTRAP": addresses.kafka} if addresses.kafka else {})


async def _until_executing(
    bench: Bench, topic: str, process: asyncio.subprocess.Process, notes: Path, log: Path
) -> None:
    """Has a job run at once, and waits for its start: from then on it has its share of the log."""
    await bench.put_in([once(topic, int(time.time() * 1000))])
    deadline = time.monotonic() + START_S
    while not starts_of(notes):
        if process.returncode is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the executor executes nothing\n{end_of(log)}")
        await asyncio.sleep(_POLL_S)
