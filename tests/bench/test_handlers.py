"""Handlers' starts: what an executor has noted, and what is said of it."""

import asyncio
import time
from pathlib import Path

from typing_extensions import override

from tickwheel.server.bench.executor_process import HandledTopic
from tickwheel.server.bench.executor_program import Notes
from tickwheel.server.bench.topic import Topic
from tickwheel.server.bench.verdict import Occurrence, Seen, judge
from tickwheel.server.bench.w2_handlers import handler_figures

PROBE = "uid-0/20261127T120000000Z/1"
FIRST = "uid-1/20261127T120000000Z/1"
SECOND = "uid-2/20261127T120000000Z/1"
DUE_MS = 1_795_780_800_000


class Log(Topic):
    name = "topic"

    @override
    async def arrived(self, count: int, patience_s: float) -> None:
        raise AssertionError("the handlers are waited for")

    @override
    async def read(self, count: int) -> list[Seen]:
        return [Seen(PROBE, 1), Seen(FIRST, 2), Seen(SECOND, 3)][:count]


async def test_a_start_is_noted_with_its_instant_and_written_shortly_after(tmp_path: Path) -> None:
    path = tmp_path / "starts.txt"
    with path.open("a") as file:
        notes = Notes(file)
        before_ms = time.time_ns() // 1_000_000
        notes.start(FIRST)
        notes.start(SECOND)
        while not path.stat().st_size:
            await asyncio.sleep(0.01)
        notes.start(FIRST)
        notes.write()
    found = HandledTopic(Log(), path).starts()
    assert [each.ce_id for each in found] == [FIRST, SECOND, FIRST]
    assert all(before_ms <= each.append_ms <= time.time() * 1000 for each in found)


async def test_what_was_before_the_workload_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "starts.txt"
    path.write_text(f"{PROBE} 1\n")
    topic = HandledTopic(Log(), path)
    topic.begin()
    path.write_text(f"{PROBE} 1\n{FIRST} 20\n{SECOND} 30\n{FIRST} 4")
    await topic.arrived(2, patience_s=60)
    # The last line is not whole yet.
    assert topic.starts() == [Seen(FIRST, 20), Seen(SECOND, 30)]
    assert await topic.read(2) == [Seen(FIRST, 2), Seen(SECOND, 3)]


def test_figures_are_those_of_the_last_start() -> None:
    expected = [Occurrence(f"uid-{number}", DUE_MS) for number in (1, 2, 3)]
    starts = [Seen(FIRST, DUE_MS + 100), Seen(SECOND, DUE_MS + 500), Seen(FIRST, DUE_MS + 900)]
    assert handler_figures(judge(expected, starts), DUE_MS / 1000) == {
        "handlers started s": 0.5,
        "handlers/s": 4,
        "handlers missing": 1,
        "handlers twice": 1,
        "handlers early": 0,
    }
    early = handler_figures(judge(expected, [Seen(FIRST, DUE_MS - 1)]), DUE_MS / 1000)
    assert early["handlers early"] == 1
    none = handler_figures(judge(expected, []), DUE_MS / 1000)
    assert (none["handlers started s"], none["handlers missing"]) == (None, 3)
