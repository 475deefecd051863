"""An api over the embedded store, served."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.store.port import Store

from api.harness import ApiUnderTest, HandClock, serving


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def limits() -> ApiLimits:
    return ApiLimits(watch_queue=50)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    import sys; sys.path.insert(0,"/tmp/team/api-w")
    from fakestore import FakeStore
    yield FakeStore()


@pytest.fixture
async def api(store: Store, clock: HandClock, limits: ApiLimits) -> AsyncIterator[ApiUnderTest]:
    async with serving(store, clock, limits) as under_test:
        yield under_test
