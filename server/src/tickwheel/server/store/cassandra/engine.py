"""Wires the Cassandra engine together and opens it."""

import asyncio

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.store.cassandra.changes import Changes
from tickwheel.server.store.cassandra.claims import IdClaims, RequestClaims
from tickwheel.server.store.cassandra.creation import Creation
from tickwheel.server.store.cassandra.driver import Driver, Kind, RefusedError
from tickwheel.server.store.cassandra.entries import Entries
from tickwheel.server.store.cassandra.expiry import Expiry
from tickwheel.server.store.cassandra.inbox import Inbox
from tickwheel.server.store.cassandra.job_rows import JobRows
from tickwheel.server.store.cassandra.jobs import CassandraJobs
from tickwheel.server.store.cassandra.leases import CassandraLeases
from tickwheel.server.store.cassandra.log_pages import LogPages
from tickwheel.server.store.cassandra.open_runs import CassandraOpenRuns
from tickwheel.server.store.cassandra.options import CassandraOptions
from tickwheel.server.store.cassandra.run_log import RunLog
from tickwheel.server.store.cassandra.runs import CassandraRuns
from tickwheel.server.store.cassandra.schedule import CassandraSchedule
from tickwheel.server.store.cassandra.schema import SCHEMA_VERSION
from tickwheel.server.store.cassandra.session import CassandraSession
from tickwheel.server.store.cassandra.sweeper import Sweeper
from tickwheel.server.store.cassandra.task_history import TaskHistory
from tickwheel.server.store.cassandra.user_index import UserIndex
from tickwheel.server.store.port import Capability, Store

#: What a caller can notice, beside speed.
CAPABILITIES = (
    Capability(
        "stale-owners-lose",
        "a former owner's write is not refused with Fenced: it is made with a time that loses to "
        "the next owner's, because checking the lease in each write would be a lightweight "
        "transaction for each run",
    ),
    Capability(
        "nothing-outlives-2038",
        "the state of a run goes in January 2038 at the latest, whatever its retention: that is "
        "the last instant that a TTL of a standard Cassandra can end at",
    ),
    Capability(
        "expiry-is-coarse",
        "runs go by TTL, to the second; jobs by a sweep, up to two days after their retention: "
        "their rows are under lightweight transactions, and a TTL cannot be taken back when a "
        "completed job is given a new schedule",
    ),
    Capability(
        "lists-of-all-users-by-token",
        "jobs across users come in the order of their partitions' tokens: any other order would "
        "need one partition that holds every job",
    ),
)


class CassandraStore(Store):
    """The engine for real clusters."""

    engine = "cassandra"

    def __init__(
        self, driver: Driver, session: CassandraSession, clock: Clock, segments: int
    ) -> None:
        """Prepares all statements, which blocks: it is called in a thread."""
        #: The connection; it counts its statements.
        self.session = session
        self._ping = driver.prepare(
            "SELECT value FROM schema_version WHERE name = ? AND version = ?", Kind.READ
        )
        inbox = Inbox(driver, session, clock)
        entries = Entries(driver, session, clock)
        rows = JobRows(driver, session)
        index = UserIndex(driver, session, rows)
        expiry = Expiry(driver, session)
        ids = IdClaims(driver, session, clock, rows)
        requests = RequestClaims(driver, session)
        changes = Changes(driver, clock, session, rows, entries, inbox, expiry)
        creation = Creation(
            session, clock, segments, rows, index, ids, requests, entries, inbox, changes
        )
        sweeper = Sweeper(session, clock, rows, index, ids, changes, expiry)
        self.jobs = CassandraJobs(
            session, clock, rows, index, ids, requests, creation, changes, expiry
        )
        self.schedule = CassandraSchedule(driver, session, entries, inbox, sweeper)
        self.runs = CassandraRuns(
            session,
            RunLog(driver, session, clock),
            LogPages(driver, session),
            TaskHistory(driver, session, clock),
        )
        self.open_runs = CassandraOpenRuns(driver, session)
        self.leases = CassandraLeases(driver, session, segments)

    async def ping(self) -> None:
        """Reads one row with the consistency that everything else has."""
        await self.session.one(self._ping.bind("segments", 0))

    async def close(self) -> None:
        """Waits for what is under way and closes all connections."""
        await self.session.close()


async def open_cassandra(options: CassandraOptions, clock: Clock) -> CassandraStore:
    """Opens a keyspace that `migrate` has made.

    Raises:
        StoreUnavailable: no contact point answers, or the keyspace is not there or not up to date.
            Nothing is waited for: the caller says so, and tries again.
    """
    driver = await asyncio.to_thread(Driver.connect, options)
    session = CassandraSession(driver, options, clock)
    try:
        segments = await _check_schema(session, options.keyspace)
        return await asyncio.to_thread(CassandraStore, driver, session, clock, segments)
    except BaseException:
        await session.close()
        raise


async def _check_schema(session: CassandraSession, keyspace: str) -> int:
    """How many segments the keyspace was made with, if its schema is what this program needs."""
    try:
        rows = await session.text(
            f"SELECT name, version, value FROM {keyspace}.schema_version", Kind.READ
        )
    except RefusedError:
        rows = []
    version = max((row[1] for row in rows if row[0] == "step"), default=0)
    segments = [row[2] for row in rows if row[0] == "segments"]
    if version < SCHEMA_VERSION or not segments:
        raise StoreUnavailable(
            f"keyspace {keyspace} has schema version {version}, needed is {SCHEMA_VERSION}: "
            "run `tickwheel migrate`"
        )
    return int(segments[0])
