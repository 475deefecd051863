"""What is told of a statement that has failed; no server is needed."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import Unavailable

from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra.driver import Bound, Driver
from tickwheel.server.store.cassandra.options import CassandraOptions


class Failing:
    """A session of the driver's whose statements fail at the first node."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def execute_async(self, *_: object, **__: object) -> Any:
        def add_callbacks(_: object, failed: Callable[[Exception], None]) -> None:
            failed(self._error)

        return SimpleNamespace(attempted_hosts=["node"], add_callbacks=add_callbacks)


def row(partition: int) -> Bound:
    prepared: Any = SimpleNamespace(table="t", query_id=b"q", keyspace="k")
    return Bound(prepared, [], partition.to_bytes(4), 10)


@pytest.mark.parametrize(
    ("partitions", "told"), [([1, 1], StoreUnavailable), ([1, 2], OutcomeUnknown)]
)
async def test_a_batch_is_certainly_not_written_only_where_it_is_of_one_partition(
    partitions: list[int], told: type[StoreUnavailable]
) -> None:
    """A node sends one partition's rows before it finds too few replicas for the next one's."""
    cluster: Any = None
    driver = Driver(CassandraOptions(contact_points=["h"]), cluster, Failing(Unavailable("few")))
    driver.attach(asyncio.get_running_loop())
    with pytest.raises(StoreUnavailable) as failure:
        await driver.send_batch([row(number) for number in partitions], bulk=True)
    assert type(failure.value) is told
