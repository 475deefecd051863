"""An api over the embedded store, served."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from api.harness import ApiUnderTest, HandClock, serving
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def limits() -> ApiLimits:
    return ApiLimits(watch_queue=50)


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock) -> AsyncGenerator[Store]:
    opened = await open_sqlite(tmp_path / "tickwheel.db", clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
async def api(store: Store, clock: HandClock, limits: ApiLimits) -> AsyncGenerator[ApiUnderTest]:
    async with serving(store, clock, limits) as under_test:
        yield under_test
