from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from records.clock import HandClock
from tickwheel.server.records.log import RecordLog


@pytest.fixture
async def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "records.db" if request.param == "file" else None


@pytest.fixture
async def log(path: Path | None, clock: HandClock) -> AsyncIterator[RecordLog]:
    log = await RecordLog.open(path, clock)
    yield log
    await log.close()
