"""What the simulated log knows of a record: when its worker began with it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from simulator.chance import Chance
from simulator.log import LogWeather, SimLog, SimPublisher
from simulator.loop import SimLoop
from simulator.process import Host, SimProcess
from tickwheel.worker.publisher.port import Ack, Permit, Record, Result, RunId, Unavailable

_SECOND_US = 1_000_000


@pytest.mark.parametrize("is_anew", [False, True])
def test_a_worker_has_begun_when_it_first_gave_a_record_unless_that_was_assigned_anew(
    is_anew: bool,
) -> None:
    loop = SimLoop()
    process = SimProcess(loop, Host(loop, "w0", 0, 0), "w0", 1)
    log, weather, told = SimLog(loop), LogWeather(down_until_us=2 * _SECOND_US), list[Result]()
    publisher = SimPublisher(loop, process, log, Chance(1), [weather])

    def hear(_records: Sequence[Record], results: Sequence[Result]) -> None:
        told.extend(results)

    def give(record: Record) -> None:
        process.spawn(publisher.publish([record]))

    first = Record(RunId("job", "run", 1), "t1", None, [], b"", Permit(1_000), 60_000)
    process.spawn(publisher.start(hear))
    loop.run_in(lambda: give(first))
    loop.run_to(3 * _SECOND_US)
    assert [type(result) for result in told] == [Unavailable]

    first.permit.until_ms = 10_000
    again = replace(first) if is_anew else first
    loop.run_in(lambda: give(again))
    loop.run_to(4 * _SECOND_US)

    assert [type(result) for result in told] == [Unavailable, Ack]
    (entry,) = log.topics["t1"]
    assert entry.begun_us == (3 * _SECOND_US if is_anew else 0)
    assert entry.given_us >= 3 * _SECOND_US
    assert not loop.defects
