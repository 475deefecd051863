"""What was acknowledged survives kill -9."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.records.log import RecordLog

# Appends from several tasks at once, pulls and acknowledges, and says on its output what it was
# told is done, each line in one write.
_PROGRAM = textwrap.dedent(
    """
    import asyncio, itertools, os, sys
    from pathlib import Path
    from tickwheel.server.domain.clock import SystemClock
    from tickwheel.server.records.group import Position
    from tickwheel.server.records.log import RecordLog
    from tickwheel.server.records.record import NewRecord

    def say(text):
        os.write(1, text.encode() + b"\\n")

    async def appender(log, name):
        for number in itertools.count():
            keys = [f"{os.getpid()}/{name}/{number}/{i}".encode() for i in range(20)]
            places = await log.append([NewRecord("t", k, (), k + b"x" * 1000) for k in keys])
            for key, place in zip(keys, places):
                say(f"appended {place.partition} {place.offset} {key.decode()}")

    async def consumer(log):
        while True:
            got = await log.pull("t", "g", limit=50, wait_ms=1000, consumer="c")
            # Every other one, so that the positions have gaps.
            some = [Position(r.partition, r.offset) for r in got.records if r.offset % 2]
            if some:
                await log.ack("t", "g", some)
                for position in some:
                    say(f"acked {position.number} {position.offset}")

    async def main():
        log = await RecordLog.open(Path(sys.argv[1]), SystemClock())
        await asyncio.gather(*(appender(log, n) for n in range(4)), consumer(log))

    asyncio.run(main())
    """
)

_Place = tuple[int, int]


async def test_kill_9_amid_appends(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    appended: dict[_Place, bytes] = {}
    acked: set[_Place] = set()
    # Twice, so that the second process goes on with what the first one left.
    for goal in (400, 1_200):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, str(path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while len(appended) < goal or not acked:
            line = await process.stdout.readline()
            assert line, "the process has ended by itself"
            _note(line, appended, acked)
        os.kill(process.pid, signal.SIGKILL)
        # What it had said before it died counts as well, but for a line cut short.
        for line in (await process.stdout.read()).splitlines(keepends=True):
            if line.endswith(b"\n"):
                _note(line, appended, acked)
        await process.wait()

    log = await RecordLog.open(path, SystemClock())
    found: dict[_Place, bytes] = {}
    for state in log.partitions("t"):
        records = await log.read("t", state.number, 0, 1_000_000)
        found |= {(record.partition, record.offset): record.key for record in records}
        # No gaps: each offset has its record.
        assert [record.offset for record in records] == list(range(state.end))
    handed: set[_Place] = set()
    while records := (await log.pull("t", "g", limit=1_000, consumer="after")).records:
        handed |= {(record.partition, record.offset) for record in records}
    await log.close()

    assert appended.items() <= found.items()
    assert not handed & acked
    # All that nobody can have acknowledged.
    assert {place for place in found if place[1] % 2 == 0} <= handed


def _note(line: bytes, appended: dict[_Place, bytes], acked: set[_Place]) -> None:
    what, number, offset, *key = line.split()
    place = int(number), int(offset)
    if what == b"appended":
        assert place not in appended, "one place was given away twice"
        appended[place] = key[0]
    else:
        acked.add(place)
