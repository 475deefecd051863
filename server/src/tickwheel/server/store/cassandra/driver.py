"""scylla-driver behind an asyncio interface: the one module that touches it.

The driver runs its sockets in a thread of its own (libev). Completions come from that thread and
are handed to the event loop together: one wake-up for all that have gathered since the last.
Protocol version 4 is used on purpose: version 5 frames every message once more in Python, which
costs a quarter more CPU per statement (150 against 200 us) for a checksum that TCP has already.

The driver ships no types; this module's own interface is typed, and the checks that cannot work on
untyped code are off here and nowhere else.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUntypedBaseClass=false
# pyright: reportAttributeAccessIssue=false, reportPrivateUsage=false

import asyncio
import enum
import logging
import re
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cassandra import (
    ConsistencyLevel,
    DriverException,
    RequestValidationException,
    Unavailable,
    UnresolvableContactPoints,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.connection import ConnectionBusy, ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import (
    IsBootstrappingErrorMessage,
    OverloadedErrorMessage,
)
from cassandra.query import (
    UNSET_VALUE,
    BatchStatement,
    BatchType,
    BoundStatement,
    SimpleStatement,
    named_tuple_factory,
    tuple_factory,
)

from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.store.cassandra.options import CassandraOptions
from tickwheel.server.store.cassandra.packing import (
    FIXED_TYPES,
    SHORT,
    Pack,
    list_packer,
    packer,
    tuple_packer,
)

#: A row of a result: one value per selected column, None where the cell is empty.
Row = tuple[Any, ...]
Value = int | str | bytes | UUID | None | Sequence[int] | Sequence[str] | Sequence[tuple[int, str]]

PROTOCOL_VERSION: Final = 4
#: Rows of a page. A page is decoded in one go that lets no other thread run, so it is kept short.
PAGE_ROWS: Final = 1_000
#: In place of a value: leaves the cell as it is. (None would write a tombstone.)
UNSET: Final[Any] = UNSET_VALUE
#: How long a heartbeat may go unanswered until a node counts as gone, and how often one is sent.
HEARTBEAT_S: Final = 1
HEARTBEAT_TIMEOUT_S: Final = 4
RECONNECT_S: Final = 1.0
DEFAULT_PORT: Final = 9042


class Kind(enum.Enum):
    """What a statement does decides how it is sent, retried and judged when it fails."""

    #: Idempotent; retried and sent to a second node when the first is slow.
    READ = "read"
    #: A plain write. All of ours are idempotent, so it is treated as a read is.
    WRITE = "write"
    #: A lightweight transaction: never repeated by the driver, whose second try would find the
    #: first one's row and report that the condition failed.
    CONDITIONAL = "conditional"
    #: A linearizable read of one partition; it settles what a conditional write left open.
    SERIAL = "serial"
    #: DDL, and what goes with it.
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class Result:
    """One page of rows, and what to go on with (None: that was all)."""

    rows: list[Row]
    paging_state: bytes | None


class Prepared:
    """A prepared statement that packs its values itself.

    The driver's own `bind` looks up a column's encryption for every value; that alone is half the
    cost of a row in a batch.
    """

    __slots__ = (
        "_keys",
        "_long",
        "_packers",
        "keyspace",
        "kind",
        "query_id",
        "statement",
        "table",
    )

    def __init__(self, statement: Any, kind: Kind) -> None:
        self.statement = statement
        self.kind = kind
        self.query_id: bytes = statement.query_id
        columns = statement.column_metadata or ()
        self.table: str = columns[0].table_name if columns else ""
        self.keyspace: str | None = columns[0].keyspace_name if columns else None
        self._packers: tuple[Pack, ...] = tuple(_packer(column.type) for column in columns)
        self._long: tuple[int, ...] = tuple(
            place for place, column in enumerate(columns) if column.type.typename not in FIXED_TYPES
        )
        self._keys: tuple[int, ...] = tuple(statement.routing_key_indexes or ())

    def bind(self, *values: Value) -> "Bound":
        """The statement with its values."""
        packed = [
            value if value is None or value is UNSET else pack(value)
            for pack, value in zip(self._packers, values, strict=True)
        ]
        size = 12 * len(packed)
        for place in self._long:
            value = packed[place]
            if value is not None and value is not UNSET:
                size += len(value)  # pyright: ignore[reportArgumentType]
        return Bound(self, packed, self._routing_key(packed), size)

    def _routing_key(self, packed: list[Any]) -> bytes:
        keys = self._keys
        if len(keys) == 1:
            return packed[keys[0]]
        return b"".join(
            [part for key in keys for part in (SHORT.pack(len(packed[key])), packed[key], b"\0")]
        )


class Bound:
    """A prepared statement with packed values.

    `routing_key` is empty where there is no single one; `size` is about how many bytes it takes.
    """

    __slots__ = ("packed", "prepared", "routing_key", "size")

    def __init__(
        self, prepared: Prepared, packed: list[Any], routing_key: bytes, size: int
    ) -> None:
        self.prepared = prepared
        self.packed = packed
        self.routing_key = routing_key
        self.size = size

    @property
    def partition(self) -> tuple[str, bytes]:
        """What tells partitions apart."""
        return (self.prepared.table, self.routing_key)


class Driver:
    """One connection to a cluster, for one event loop."""

    def __init__(self, options: CassandraOptions, cluster: Any, session: Any) -> None:
        self._options = options
        self._cluster = cluster
        self._session = session
        self._loop: asyncio.AbstractEventLoop | None = None
        self._completed: deque[tuple[asyncio.Future[Result], Result | None, Exception | None]] = (
            deque()
        )
        self._woken = False

    @classmethod
    def connect(cls, options: CassandraOptions) -> "Driver":
        """Connects; blocks, so it is called in a thread.

        Raises:
            StoreUnavailable: no contact point answers.
        """
        cluster = _cluster(options)
        try:
            session = cluster.connect()
        except (NoHostAvailable, UnresolvableContactPoints, DriverException, OSError) as error:
            cluster.shutdown()
            raise StoreUnavailable(f"Cassandra: {_cause(error)}") from error
        session.use_client_timestamp = True
        return cls(options, cluster, session)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sends completions to this loop from now on."""
        self._loop = loop

    def prepare(self, cql: str, kind: Kind) -> Prepared:
        """Prepares a statement on a table of the keyspace; blocks, so it is called in a thread.

        Raises:
            StoreUnavailable: the server does not know a table or column of it, or is away.
        """
        try:
            statement = self._session.prepare(self.qualified(cql))
        except (NoHostAvailable, DriverException, ConnectionException) as error:
            raise StoreUnavailable(f"Cassandra: {_cause(error)}") from error
        statement.is_idempotent = kind in _REPEATABLE
        statement.fetch_size = PAGE_ROWS
        return Prepared(statement, kind)

    def agree(self) -> None:
        """Waits until all nodes have the same schema; blocks, so it is called in a thread.

        The driver waits by itself after a change, but not where IF NOT EXISTS found nothing to
        change, because somebody else is just making it.

        Raises:
            StoreUnavailable: they do not come to have it.
        """
        try:
            agreed = self._session.wait_for_schema_agreement(_AGREEMENT_S)
        except (NoHostAvailable, DriverException, ConnectionException) as error:
            raise StoreUnavailable(f"Cassandra: {_cause(error)}") from error
        if not agreed:
            raise StoreUnavailable("Cassandra: the nodes do not agree on the schema")

    def qualified(self, cql: str) -> str:
        """The statement with its table in the keyspace.

        Written out, because a connection that was told to USE a keyspace gives prepared statements
        another identity than one that was not yet.
        """
        return _TABLE.sub(rf"\1 {self._options.keyspace}.\2", cql, count=1)

    def close(self) -> None:
        """Closes all connections; blocks, so it is called in a thread."""
        self._cluster.shutdown()

    def send(
        self,
        bound: Bound,
        *,
        paging_state: bytes | None = None,
        bulk: bool = False,
    ) -> asyncio.Future[Result]:
        """Sends one statement."""
        statement = BoundStatement(bound.prepared.statement)
        statement.values = bound.packed
        return self._send(statement, bound.prepared.kind, bulk=bulk, paging_state=paging_state)

    def send_batch(self, rows: Sequence[Bound], *, bulk: bool) -> asyncio.Future[Result]:
        """Sends plain writes together in an unlogged batch."""
        batch = BatchStatement(batch_type=BatchType.UNLOGGED)
        batch.is_idempotent = True
        batch.routing_key = rows[0].routing_key
        batch.keyspace = rows[0].prepared.keyspace
        for row in rows:
            batch._add_statement_and_params(True, row.prepared.query_id, row.packed)
        is_one = all(row.partition == rows[0].partition for row in rows)
        return self._send(batch, Kind.WRITE, bulk=bulk, is_one=is_one)

    def send_text(self, cql: str, *, kind: Kind) -> asyncio.Future[Result]:
        """Sends an unprepared statement: DDL, and what must run before there are tables."""
        statement = SimpleStatement(cql, is_idempotent=kind in _REPEATABLE)
        return self._send(statement, kind, bulk=False)

    def _send(
        self,
        statement: Any,
        kind: Kind,
        *,
        bulk: bool,
        is_one: bool = True,
        paging_state: bytes | None = None,
    ) -> asyncio.Future[Result]:
        """Sends a statement; one over several partitions (not `is_one`) may be half done."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        options = self._options
        try:
            sent = self._session.execute_async(
                statement,
                execution_profile=kind,
                timeout=(
                    _SCHEMA_TIMEOUT_S
                    if kind is Kind.SCHEMA
                    else options.bulk_timeout_s
                    if bulk
                    else options.request_timeout_s
                ),
                paging_state=paging_state,
            )
        except (DriverException, NoHostAvailable, ConnectionException) as error:
            future.set_exception(StoreUnavailable(f"Cassandra: {_cause(error)}"))
            return future

        def succeeded(rows: list[Row] | None) -> None:
            self._complete(future, Result(rows or [], sent._paging_state), None)

        def failed(error: Exception) -> None:
            told = _told(error, kind, attempts=len(sent.attempted_hosts), is_one=is_one)
            told.__cause__ = error
            self._complete(future, None, told)

        sent.add_callbacks(succeeded, failed)
        return future

    def _complete(
        self, future: asyncio.Future[Result], result: Result | None, error: Exception | None
    ) -> None:
        """Called in the driver's thread (or at once, where the statement could not be sent)."""
        self._completed.append((future, result, error))
        if not self._woken and self._loop is not None:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                # The loop was closed over statements under way; nobody waits for them any more.
                self._completed.clear()

    def _drain(self) -> None:
        self._woken = False
        while self._completed:
            future, result, error = self._completed.popleft()
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            elif result is not None:
                future.set_result(result)


class RefusedError(StoreUnavailable):
    """The server refuses the statement as such: it knows no such keyspace, table or column."""


class BusyError(StoreUnavailable):
    """The connection's send buffer is full: nothing was sent, and it will be free in a moment."""


class _Connection(LibevConnection):
    """A connection that moves more than the driver's 4 KiB with a system call."""

    in_buffer_size = 65_536
    out_buffer_size = 65_536


class _Patient(RetryPolicy):
    """For idempotent statements: once more, on another node where there is one."""

    def on_read_timeout(self, query: Any, consistency: Any, *_: Any, retry_num: int = 0, **__: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), consistency

    def on_write_timeout(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, query: Any, consistency: Any, *_: Any, retry_num: int = 0, **__: Any
    ):
        return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), consistency

    def on_unavailable(self, query: Any, consistency: Any, *_: Any, retry_num: int = 0, **__: Any):  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), consistency

    def on_request_error(self, query: Any, consistency: Any, error: Any, retry_num: int):  # pyright: ignore[reportIncompatibleMethodOverride]
        return (self.RETRY_NEXT_HOST if retry_num < 2 else self.RETHROW), consistency


class _Quiet(logging.Filter):
    """Drops what is said elsewhere, or on purpose so.

    The server remarks on batches over several partitions, which are made on purpose, far below the
    size that it refuses. The driver logs, with a traceback, what it also raises.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(
            (
                "Server warning: Unlogged batch covering",
                "Server warning: Batch for",
                "Control connection failed to connect",
                "[control connection] Error connecting to",
                "Error preparing query",
            )
        )


_QUIET: Final = _Quiet()
_REPEATABLE: Final = frozenset({Kind.READ, Kind.WRITE, Kind.SERIAL})
_SCHEMA_TIMEOUT_S: Final = 30.0
#: A node that missed a change, because it was just starting, asks for it after a minute.
_AGREEMENT_S: Final = 90.0
#: The table in any of our statements.
_TABLE: Final = re.compile(r"\b(FROM|INTO|UPDATE) (\w+)")


def _cluster(options: CassandraOptions) -> Any:
    for name in ("cassandra.protocol", "cassandra.cluster"):
        logging.getLogger(name).addFilter(_QUIET)
    points, port = _endpoints(options.contact_points)
    return Cluster(
        points,
        port=port,
        protocol_version=PROTOCOL_VERSION,
        compression=False,
        connection_class=_Connection,
        auth_provider=(
            PlainTextAuthProvider(options.username, options.password) if options.username else None
        ),
        # The default is for what the driver itself asks, which needs rows with names.
        execution_profiles={kind: _profile(kind, options, tuple_factory) for kind in Kind}
        | {EXEC_PROFILE_DEFAULT: _profile(Kind.READ, options, named_tuple_factory)},
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT_S, None),
        idle_heartbeat_interval=HEARTBEAT_S,
        idle_heartbeat_timeout=HEARTBEAT_TIMEOUT_S,
        # A message may be sent in pieces; with Nagle's algorithm the last one would wait for the
        # acknowledgement of those before it, which the other side delays by 40 ms.
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        connect_timeout=options.connect_timeout_s,  # pyright: ignore[reportArgumentType]
        control_connection_timeout=options.connect_timeout_s,
        max_schema_agreement_wait=_SCHEMA_TIMEOUT_S,  # pyright: ignore[reportArgumentType]
        # Cassandra keeps what was prepared over a restart, and says where it lacks a statement. To
        # prepare everything anew would hold up a node that has just come back.
        reprepare_on_up=False,
        driver_config_reporting_enabled=False,
    )


def _profile(kind: Kind, options: CassandraOptions, row_factory: Any) -> Any:
    consistency = ConsistencyLevel.name_to_value[options.consistency]
    serial = ConsistencyLevel.name_to_value[options.serial_consistency]
    repeatable = kind in _REPEATABLE
    return ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(options.local_dc)),
        retry_policy=_Patient() if repeatable else FallthroughRetryPolicy(),
        consistency_level=serial if kind is Kind.SERIAL else consistency,
        serial_consistency_level=serial,
        request_timeout=options.request_timeout_s,
        row_factory=row_factory,
        speculative_execution_policy=(
            ConstantSpeculativeExecutionPolicy(options.speculative_delay_s, 2)
            if repeatable
            else None
        ),
    )


def _endpoints(contact_points: Sequence[str]) -> tuple[list[Any], int]:
    """Hosts and ports as the driver takes them."""
    points: list[Any] = []
    for point in contact_points:
        host, colon, port = point.rpartition(":")
        points.append((host, int(port)) if colon else (point, DEFAULT_PORT))
    return points, points[0][1] if points else DEFAULT_PORT


def _told(error: Exception, kind: Kind, *, attempts: int, is_one: bool = True) -> Exception:
    """A driver's error in the port's words: certainly not done, or perhaps.

    Args:
        error: the driver's.
        kind: of the statement.
        attempts: nodes that were asked.
        is_one: it is about one partition. What is refused of a batch over several may be one of
            them, when the others are on their way already.
    """
    message = f"Cassandra: {_cause(error)}"
    if attempts == 0:
        errors = getattr(error, "errors", None) or {}
        if errors and all(isinstance(cause, ConnectionBusy) for cause in errors.values()):
            return BusyError(message)
        return StoreUnavailable(message)
    if isinstance(error, RequestValidationException) and attempts == 1:
        return RefusedError(message)
    if kind in (Kind.READ, Kind.SERIAL):
        return StoreUnavailable(message)
    rejected = isinstance(error, Unavailable | OverloadedErrorMessage | IsBootstrappingErrorMessage)
    if rejected and attempts == 1 and kind is not Kind.CONDITIONAL and is_one:
        return StoreUnavailable(message)
    return OutcomeUnknown(message)


def _cause(error: Exception) -> str:
    """What happened, in one line; of several nodes' errors the first."""
    errors = getattr(error, "errors", None)
    if isinstance(errors, dict) and errors:
        node, first = next(iter(errors.items()))
        return f"{node}: {str(first) or type(first).__name__}"
    if isinstance(error, NoHostAvailable):
        return "no node is up"
    return str(error) or type(error).__name__


def _packer(cql_type: Any) -> Pack:
    if cql_type.typename == "list":
        return list_packer(_packer(cql_type.subtypes[0]))
    if cql_type.typename == "tuple":
        return tuple_packer([_packer(item) for item in cql_type.subtypes])
    return packer(cql_type.typename)
