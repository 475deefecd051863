"""The write-ahead log is copied back, sooner or later."""

import queue
import time
from collections.abc import Callable
from pathlib import Path

from structlog.testing import capture_logs

from tickwheel.server.records.checkpoint import Checkpointer


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


MUCH = 16 * 1024 * 1024


def test_one_that_could_not_open_the_file_is_followed_by_another(tmp_path: Path) -> None:
    folder = tmp_path / "away"
    done: queue.SimpleQueue[None] = queue.SimpleQueue()
    checkpointer = Checkpointer(folder / "records.db", lambda: done.put(None))
    with capture_logs() as logs:
        checkpointer.wrote(MUCH)
        until(lambda: bool(logs))
    folder.mkdir()
    assert [entry["event"] for entry in logs] == ["the record log's checkpoint failed"]
    assert done.empty()
    checkpointer.wrote(MUCH)
    done.get(timeout=10)
    checkpointer.close()
