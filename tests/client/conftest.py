"""A stand-in for the api, served, and a client of it that waits little between attempts."""

from collections.abc import AsyncIterator

import pytest

from client.stand_in import StandIn
from tickwheel.client import Client, RetryPolicy

QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)


@pytest.fixture
async def api() -> StandIn:
    # What it does not override answers UNIMPLEMENTED.
    return StandIn()  # pyright: ignore[reportAbstractUsage]


@pytest.fixture
async def address(api: StandIn) -> AsyncIterator[str]:
    async with api.serve() as served:
        yield served


@pytest.fixture
async def client(address: str) -> AsyncIterator[Client]:
    async with Client(address, retry=QUICK) as made:
        yield made
