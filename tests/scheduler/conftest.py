"""What tests of a scheduler's parts have in common."""

from collections.abc import AsyncGenerator

import pytest

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.store.port import Store
from tickwheel.server.store.sqlite import open_sqlite


@pytest.fixture
async def store() -> AsyncGenerator[Store]:
    """An embedded store in memory, of one segment."""
    opened = await open_sqlite(None, segments=1, clock=SystemClock())
    yield opened
    await opened.close()
