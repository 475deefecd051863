"""The embedded engine keeps the store port's contract, without exception."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from conformance.suite import suite
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Store]:
    path = tmp_path_factory.mktemp("sqlite") / "tickwheel.db"
    opened = await open_sqlite(path, clock=SystemClock())
    yield opened
    await opened.close()


test_conformance = suite()
