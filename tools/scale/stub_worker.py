"""``python -m scale.stub_worker``: a worker whose log takes every record at once.

All of it is the worker's own code but the publisher, which notes in `records.txt` of the current
folder what it was given, and when. So what schedulers cost is measured without a Kafka beside them.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from typing_extensions import override

from tickwheel.worker.clock import Clock, SystemClock
from tickwheel.worker.logs import configure_logs
from tickwheel.worker.process import run_process
from tickwheel.worker.publisher.port import Ack, Publisher, Record, Report, Result, Unavailable
from tickwheel.worker.settings import WorkerSettings

RECORDS = "records.txt"
"""A line for each record: its `ce_id`, and the instant at which it was given (Unix ms)."""


class StubPublisher(Publisher):
    """Has each record acknowledged with the event loop's next turn.

    Args:
        clock: the worker's.
        notes: takes the lines.
    """

    def __init__(self, clock: Clock, notes: TextIO) -> None:
        self._clock = clock
        self._notes = notes
        self._offset = 0
        self._report: Report | None = None
        self._waiting: list[tuple[Sequence[Record], Sequence[Result]]] = []

    @override
    async def start(self, report: Report) -> None:
        self._report = report

    @property
    @override
    def ready(self) -> bool:
        return True

    @override
    async def publish(self, records: Sequence[Record]) -> None:
        steady_ms, now_ms = self._clock.steady_ms(), self._clock.now_ms()
        results: list[Result] = []
        for record in records:
            if not record.permit.holds(steady_ms) or steady_ms >= record.expire_ms:
                results.append(Unavailable("permission or time ran out"))
                continue
            ce_id = next(value for name, value in record.headers if name == "ce_id")
            self._notes.write(f"{ce_id.decode()} {now_ms}\n")
            results.append(Ack(0, self._offset, now_ms))
            self._offset += 1
        self._notes.flush()
        self._waiting.append((records, results))
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for records, results in waiting:
            assert self._report is not None
            self._report(records, results)

    @override
    async def abort(self) -> None:
        self._tell()

    @override
    async def close(self) -> None:
        self._tell()


def main() -> None:
    """Runs the worker until it is told to stop."""
    settings = WorkerSettings()
    configure_logs(settings.log_level, settings.log_format)
    clock = SystemClock()
    with Path(RECORDS).open("a") as notes:
        run_process(settings, clock, StubPublisher(clock, notes))


if __name__ == "__main__":
    main()
