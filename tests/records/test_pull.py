"""Groups on the log: delivery, waiting, restarts."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from records.clock import HandClock
from records.making import numbered, positions, record, values
from tickwheel.server.records.group import Position
from tickwheel.server.records.log import RecordLog
from tickwheel.v1 import executor_service_pb2 as pb

Pulling = asyncio.Task[pb.PullRecordsResponse]


async def waiting(
    clock: HandClock, pull: Coroutine[Any, Any, pb.PullRecordsResponse], seconds: float
) -> Pulling:
    """A pull that has begun to wait for so long."""
    task = asyncio.create_task(pull)
    await clock.until_sleeping(seconds)
    return task


async def test_what_is_handed_out_goes_to_no_one_else(log: RecordLog) -> None:
    await log.append(numbered(10))

    one = await log.pull("t", "g", limit=4, consumer="a")
    other = await log.pull("t", "g", limit=100, consumer="b")
    again = await log.pull("t", "g", limit=100, consumer="a")

    assert values(one) == [b"%d" % n for n in range(4)]
    assert values(other) == [b"%d" % n for n in range(4, 10)]
    assert values(again) == []


async def test_each_group_gets_each_record(log: RecordLog) -> None:
    await log.append(numbered(5))

    for name in ("g", "h"):
        assert len((await log.pull("t", name, limit=10)).records) == 5


async def test_after_silence_records_are_handed_out_again(log: RecordLog, clock: HandClock) -> None:
    await log.append(numbered(6))
    first = await log.pull("t", "g", limit=4, consumer="a", session_timeout_ms=5_000)
    await log.ack("t", "g", positions(first)[1:2])

    clock.advance(4_999)
    assert values(await log.pull("t", "g", limit=1, consumer="b")) == [b"4"]
    clock.advance(1)
    assert values(await log.pull("t", "g", limit=10, consumer="b")) == [b"0", b"2", b"3", b"5"]


async def test_a_consumer_that_goes_on_pulling_keeps_its_records(
    log: RecordLog, clock: HandClock
) -> None:
    await log.append(numbered(3))
    await log.pull("t", "g", limit=3, consumer="a", session_timeout_ms=5_000)

    for _ in range(5):
        clock.advance(4_000)
        await log.pull("t", "g", limit=0, consumer="a", session_timeout_ms=5_000)
        assert values(await log.pull("t", "g", limit=3, consumer="b")) == []


async def test_waiting_is_not_silence(log: RecordLog, clock: HandClock) -> None:
    await log.append(numbered(1))
    await log.pull("t", "g", limit=1, consumer="a", session_timeout_ms=5_000)
    pull = log.pull("t", "g", limit=1, wait_ms=60_000, consumer="a", session_timeout_ms=5_000)
    task = await waiting(clock, pull, 60)

    clock.advance(50_000)
    assert values(await log.pull("t", "g", limit=1, consumer="b")) == []
    clock.advance(10_000)
    assert values(await task) == []
    # The silence begins when the answer was given.
    clock.advance(4_999)
    assert values(await log.pull("t", "g", limit=1, consumer="b")) == []


async def test_calls_without_a_name_are_members_of_their_own(
    log: RecordLog, clock: HandClock
) -> None:
    await log.append(numbered(2))
    first = await log.pull("t", "g", limit=1, session_timeout_ms=1_000)
    second = await log.pull("t", "g", limit=1, session_timeout_ms=1_000)
    assert (values(first), values(second)) == ([b"0"], [b"1"])

    clock.advance(1_000)
    assert values(await log.pull("t", "g", limit=5)) == [b"0", b"1"]


async def test_a_pull_waits_for_a_record(log: RecordLog, clock: HandClock) -> None:
    task = await waiting(clock, log.pull("t", "g", limit=5, wait_ms=20_000), 20)

    await log.append([record(topic="another")])
    assert not task.done()
    await log.append([record(b"here")])

    assert values(await task) == [b"here"]


async def test_a_pull_waits_no_longer_than_asked(log: RecordLog, clock: HandClock) -> None:
    task = await waiting(clock, log.pull("t", "g", limit=5, wait_ms=20_000), 20)

    clock.advance(19_999)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(1)

    assert values(await task) == []


async def test_a_waiting_pull_gets_what_a_silent_member_held(
    log: RecordLog, clock: HandClock
) -> None:
    await log.append(numbered(2))
    await log.pull("t", "g", limit=2, consumer="a", session_timeout_ms=5_000)
    pull = log.pull("t", "g", limit=5, wait_ms=60_000, consumer="b")
    task = await waiting(clock, pull, 5)  # As long as a's time goes on, not 60 s.

    clock.advance(5_000)

    assert values(await task) == [b"0", b"1"]


async def test_one_of_two_waiting_pulls_gets_a_record(log: RecordLog, clock: HandClock) -> None:
    pulls = [log.pull("t", "g", limit=5, wait_ms=20_000, consumer=name) for name in "ab"]
    tasks = [asyncio.create_task(pull) for pull in pulls]
    await clock.until_sleeping(20, 2)

    await log.append([record()])
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    assert [values(task.result()) for task in done] == [[b"v"]]
    clock.advance(20_000)
    assert values(await pending.pop()) == []


async def test_what_a_cancelled_pull_took_is_given_back(log: RecordLog) -> None:
    await log.pull("t", "g", limit=0)
    await log.append(numbered(5))
    task = asyncio.create_task(log.pull("t", "g", limit=5, consumer="a"))
    await asyncio.sleep(0)  # It has taken them, and reads.
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len((await log.pull("t", "g", limit=5, consumer="b")).records) == 5


async def test_where_a_new_group_starts(log: RecordLog) -> None:
    await log.append(numbered(3))

    assert values(await log.pull("t", "end", limit=0, start_at_end=True)) == []
    await log.append([record(b"new")])

    assert values(await log.pull("t", "end", limit=9)) == [b"new"]
    assert len((await log.pull("t", "beginning", limit=9)).records) == 4


async def test_two_first_pulls_at_once_are_one_group(log: RecordLog) -> None:
    await log.append(numbered(10))

    both = await asyncio.gather(*(log.pull("t", "g", limit=5, consumer=name) for name in "ab"))

    assert sorted(value for pulled in both for value in values(pulled)) == [
        b"%d" % n for n in range(10)
    ]


async def test_large_records_come_in_several_answers(log: RecordLog) -> None:
    await log.append([record(bytes([n]) * 1_000_000) for n in range(10)])

    found: list[bytes] = []
    while pulled := values(await log.pull("t", "g", limit=100, consumer="a")):
        assert 1 <= len(pulled) <= 3
        found += pulled

    assert [value[0] for value in found] == list(range(10))


async def test_a_group_that_was_never_seen_acknowledges_nothing(log: RecordLog) -> None:
    await log.append(numbered(3))
    await log.ack("t", "g", [Position(number, 0) for number in range(4)])
    await log.ack("unknown", "g", [Position(0, 0)])

    assert len((await log.pull("t", "g", limit=9)).records) == 3


@pytest.mark.parametrize("how", ["beginning", "end"])
async def test_groups_survive_a_restart(tmp_path: Path, clock: HandClock, how: str) -> None:
    path = tmp_path / "records.db"
    log = await RecordLog.open(path, clock)
    await log.append(numbered(4))
    await log.pull("t", "g", limit=0, start_at_end=how == "end")
    await log.append([record(b"%d" % number) for number in range(4, 12)])
    first = await log.pull("t", "g", limit=8, consumer="a")
    await log.ack("t", "g", positions(first)[:2] + positions(first)[4:6])
    await log.close()

    log = await RecordLog.open(path, clock)
    # At once: who held records before is not known any more.
    again = await log.pull("t", "g", limit=100, consumer="b", start_at_end=True)
    # An acknowledgement of what was handed out before the restart counts.
    await log.ack("t", "g", positions(again))
    await log.close()
    log = await RecordLog.open(path, clock)
    assert values(await log.pull("t", "g", limit=100)) == []
    await log.close()

    given = values(first)
    rest = [b"%d" % n for n in range(12)][4 if how == "end" else 0 :]
    assert values(again) == [value for value in rest if value not in given[:2] + given[4:6]]


async def test_closing_ends_waiting_pulls(tmp_path: Path, clock: HandClock) -> None:
    log = await RecordLog.open(tmp_path / "records.db", clock)
    task = await waiting(clock, log.pull("t", "g", limit=1, wait_ms=60_000), 60)

    await log.close()

    assert values(await task) == []


async def test_nobody_waits_once_it_stops(log: RecordLog) -> None:
    log.stop_waiting()
    await log.append([record()])

    assert values(await log.pull("t", "g", limit=1, wait_ms=60_000)) == [b"v"]
    assert values(await log.pull("t", "g", limit=1, wait_ms=60_000)) == []
