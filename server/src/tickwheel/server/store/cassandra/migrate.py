"""Makes the keyspace and brings its tables up to date; safe to run twice and from two places."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra.driver import Driver, Kind
from tickwheel.server.store.cassandra.options import CassandraOptions
from tickwheel.server.store.cassandra.schema import STEPS, Step
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.port import MAX_SEGMENTS

#: A migration that died holds the others up for this long.
LOCK_TTL_S: Final = 120
#: How long to wait for another migration to end.
LOCK_WAIT_S: Final = 300
LOCK_POLL_S: Final = 0.5

_KEYSPACE = re.compile(r"[a-zA-Z]\w{0,47}")
_DATACENTER = re.compile(r"[\w.-]{1,100}")
#: Two nodes that make the same table at once would give it two ids, and its rows would be split
#: between them; the table of the lock itself therefore has an id that follows from its name.
_LOCK_NAMESPACE = uuid.UUID("5a2f5a4e-3c0e-5d0b-8d0a-7d8c3f6f3b11")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOptions:
    """What a new keyspace is made with; an existing one keeps what it has."""

    segments: int = 64
    #: Replicas, by SimpleStrategy as in the original design, unless data centres are named.
    replication: int = 1
    #: Replicas by data centre: NetworkTopologyStrategy.
    datacenters: Mapping[str, int] = field(default_factory=dict[str, int])


async def migrate(options: CassandraOptions, schema: SchemaOptions, clock: Clock) -> list[Step]:
    """Brings the keyspace up to date; returns the steps that were taken.

    Raises:
        ValueError: the keyspace's or a data centre's name is none, or the segments are too many.
        StoreUnavailable: no node answers, or another migration does not end.
    """
    _check(options, schema)
    driver = await asyncio.to_thread(Driver.connect, options)
    session = CassandraSession(driver, options, clock)
    try:
        return await _Migration(session, options.keyspace, clock).run(schema)
    finally:
        await session.close()


def _check(options: CassandraOptions, schema: SchemaOptions) -> None:
    if not _KEYSPACE.fullmatch(options.keyspace):
        raise ValueError(f"not a keyspace name: {options.keyspace!r}")
    if not 1 <= schema.segments <= MAX_SEGMENTS:
        raise ValueError(f"segments must be 1 to {MAX_SEGMENTS}")
    for name in schema.datacenters:
        if not _DATACENTER.fullmatch(name):
            raise ValueError(f"not a data centre's name: {name!r}")


class _Migration:
    def __init__(self, session: CassandraSession, keyspace: str, clock: Clock) -> None:
        self._session = session
        self._keyspace = keyspace
        self._clock = clock
        self._holder = str(uuid.uuid4())

    async def run(self, schema: SchemaOptions) -> list[Step]:
        await self._session.agree()
        await self._ddl(
            f"CREATE KEYSPACE IF NOT EXISTS {self._keyspace} WITH replication = "
            f"{_replication(schema)}"
        )
        table_id = uuid.uuid5(_LOCK_NAMESPACE, self._keyspace.lower())
        await self._ddl(
            f"CREATE TABLE IF NOT EXISTS {self._keyspace}.schema_version ("
            "name text, version int, applied_time bigint, holder text, value text, "
            f"PRIMARY KEY ((name), version)) WITH ID = {table_id}"
        )
        await self._lock()
        try:
            taken = await self._steps()
            await self._session.text(
                f"INSERT INTO {self._keyspace}.schema_version (name, version, value) "
                f"VALUES ('segments', 0, '{schema.segments}') IF NOT EXISTS",
                Kind.CONDITIONAL,
            )
        finally:
            await self._session.text(
                f"DELETE FROM {self._keyspace}.schema_version WHERE name = 'lock' AND version = 0 "
                f"IF holder = '{self._holder}'",
                Kind.CONDITIONAL,
            )
        return taken

    async def _steps(self) -> list[Step]:
        rows = await self._session.text(
            f"SELECT version FROM {self._keyspace}.schema_version WHERE name = 'step'", Kind.READ
        )
        done = {row[0] for row in rows}
        taken: list[Step] = []
        for step in STEPS:
            if step.version in done:
                continue
            for statement in step.statements:
                await self._hold()
                await self._ddl(statement.replace("NOT EXISTS ", f"NOT EXISTS {self._keyspace}."))
            await self._session.text(
                f"INSERT INTO {self._keyspace}.schema_version (name, version, applied_time, value) "
                f"VALUES ('step', {step.version}, {self._clock.now_ms()}, '{step.name}')",
                Kind.WRITE,
            )
            taken.append(step)
        return taken

    async def _lock(self) -> None:
        deadline = self._clock.steady_ms() + LOCK_WAIT_S * 1000
        while not await self._try_lock():
            if self._clock.steady_ms() > deadline:
                raise StoreUnavailable("another migration of this keyspace does not end")
            await self._clock.sleep(LOCK_POLL_S)

    async def _try_lock(self) -> bool:
        """Takes the lock if it is free; what became of an attempt is told by a serial read."""
        # An attempt may also fail while the newest table is still unknown to some node.
        with contextlib.suppress(OutcomeUnknown):
            await self._session.text(
                f"INSERT INTO {self._keyspace}.schema_version (name, version, holder) "
                f"VALUES ('lock', 0, '{self._holder}') IF NOT EXISTS USING TTL {LOCK_TTL_S}",
                Kind.CONDITIONAL,
            )
        try:
            rows = await self._session.text(
                f"SELECT holder FROM {self._keyspace}.schema_version "
                "WHERE name = 'lock' AND version = 0",
                Kind.SERIAL,
            )
        except StoreUnavailable:
            return False
        return rows == [(self._holder,)]

    async def _hold(self) -> None:
        """Keeps the lock for as long as again."""
        (row,) = await self._session.text(
            f"UPDATE {self._keyspace}.schema_version USING TTL {LOCK_TTL_S} "
            f"SET holder = '{self._holder}' WHERE name = 'lock' AND version = 0 "
            f"IF holder = '{self._holder}'",
            Kind.CONDITIONAL,
        )
        if not row[0]:
            raise StoreUnavailable("the migration took so long that another one has begun")

    async def _ddl(self, cql: str) -> None:
        await self._session.text(cql, Kind.SCHEMA)


def _replication(schema: SchemaOptions) -> str:
    if schema.datacenters:
        counts = ", ".join(f"'{name}': {count}" for name, count in schema.datacenters.items())
        return f"{{'class': 'NetworkTopologyStrategy', {counts}}}"
    return f"{{'class': 'SimpleStrategy', 'replication_factor': {schema.replication}}}"
