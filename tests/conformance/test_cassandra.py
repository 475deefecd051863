"""The Cassandra engine passes the suite on a real server, without exceptions."""

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio
from engines_fixtures import CassandraServer

from conformance.suite import suite
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.store.cassandra import (
    CassandraOptions,
    SchemaOptions,
    migrate,
    open_cassandra,
)
from tickwheel.server.store.cassandra.driver import Kind
from tickwheel.server.store.port import Store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(cassandra_server: CassandraServer) -> AsyncIterator[Store]:
    options = CassandraOptions(
        contact_points=cassandra_server.contact_points, keyspace=f"test_{uuid.uuid4().hex[:12]}"
    )
    clock = SystemClock()
    await migrate(options, SchemaOptions(), clock)
    engine = await open_cassandra(options, clock)
    yield engine
    await engine.session.text(f"DROP KEYSPACE {options.keyspace}", Kind.SCHEMA)
    await engine.close()


test_conformance = suite()
