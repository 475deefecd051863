"""The simulated store keeps the store port's contract, but that nothing expires in it."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from conformance.suite import suite
from simulator.store.cells import Cells
from simulator.store.engine import SimStore
from simulator.store.link import DirectLink
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.store.port import Store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store() -> AsyncGenerator[Store]:
    yield SimStore(Cells(segments=64), DirectLink(), SystemClock())


_NOTHING_EXPIRES = "what is simulated takes minutes, and the judge reads all of it"

test_conformance = suite(
    {
        f"run_log.{name}_outlives_a_short_retention": _NOTHING_EXPIRES
        for name in ("the_log", "what_a_request_has_made")
    }
)
