"""All settings of the servers. Each is an environment variable TICKWHEEL_<NAME> and a flag."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tickwheel.server.store.port import MAX_SEGMENTS
from tickwheel.worker.settings import Address, ServedAddress


class Engine(StrEnum):
    """Where jobs are kept."""

    SQLITE = "sqlite"
    CASSANDRA = "cassandra"


class Consistency(StrEnum):
    """Of reads and writes, as CQL names it."""

    LOCAL_QUORUM = "LOCAL_QUORUM"
    QUORUM = "QUORUM"
    EACH_QUORUM = "EACH_QUORUM"
    LOCAL_ONE = "LOCAL_ONE"
    ONE = "ONE"
    ALL = "ALL"


class SerialConsistency(StrEnum):
    """Of the Paxos rounds of conditional writes, as CQL names it."""

    LOCAL_SERIAL = "LOCAL_SERIAL"
    SERIAL = "SERIAL"


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _by_topic(value: object) -> object:
    """`100` for each topic, or `billing=20,mail=5,*=100`."""
    if not isinstance(value, str):
        return value
    limits: dict[str, str] = {}
    for part in value.split(","):
        if part.strip():
            topic, equals, limit = part.rpartition("=")
            limits[topic.strip() if equals else "*"] = limit.strip()
    return limits


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
TopicLimits = Annotated[dict[str, NotNegative], NoDecode, BeforeValidator(_by_topic)]
AddressList = Annotated[list[Address], NoDecode, BeforeValidator(_split)]


def _replicas(value: object) -> object:
    """`dc1:3,dc2:3`; what is not of that form is left for the type to refuse."""
    if not isinstance(value, str):
        return value
    replicas: dict[str, str] = {}
    for part in value.split(","):
        name, _, count = part.strip().rpartition(":")
        replicas[name] = count
    return replicas


Replicas = Annotated[
    dict[Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")], Annotated[int, Field(ge=1, le=9)]],
    NoDecode,
    BeforeValidator(_replicas),
]


class Settings(BaseSettings):
    """What a server process is told from outside."""

    model_config = SettingsConfigDict(env_prefix="TICKWHEEL_", extra="ignore")

    grpc_address: ServedAddress = Field(
        default="127.0.0.1:7420", description="host:port on which gRPC is served"
    )
    advertised_address: Address = Field(
        default="",
        description="host:port by which the other processes reach this scheduler; "
        "the gRPC address where empty",
    )
    http_address: Address = Field(
        default="127.0.0.1:7480", description="host:port on which the gateway serves HTTP"
    )
    store: Engine = Field(default=Engine.CASSANDRA, description="storage engine")
    data: str = Field(
        default_factory=lambda: str(Path(platformdirs.user_data_dir("tickwheel")) / "dev"),
        description="data directory of the embedded engine, or :memory:",
    )
    cassandra_contact_points: AddressList = Field(
        default=["127.0.0.1:9042"], description="host:port of Cassandra nodes, comma separated"
    )
    cassandra_keyspace: str = Field(
        default="dist_task_runner", description="keyspace", pattern=r"^[a-zA-Z]\w{0,47}$"
    )
    cassandra_replication: int = Field(
        default=1,
        ge=1,
        le=9,
        description="replicas of a new keyspace in a cluster of one data centre; 3 for production",
    )
    cassandra_datacenters: Replicas = Field(
        default={},
        description="replicas of a new keyspace by data centre, `dc1:3,dc2:3`; "
        "in place of cassandra_replication",
    )
    cassandra_local_dc: str = Field(
        default="",
        description="the data centre whose nodes are used; that of the contact point where empty",
    )
    cassandra_consistency: Consistency = Field(
        default=Consistency.LOCAL_QUORUM,
        description="of all reads and writes. A weaker one than a quorum loses acknowledged jobs "
        "with a node",
    )
    cassandra_serial_consistency: SerialConsistency = Field(
        default=SerialConsistency.LOCAL_SERIAL,
        description="of conditional writes; SERIAL where schedulers run in several data centres",
    )
    cassandra_username: str = Field(default="", description="no authentication where empty")
    cassandra_password: SecretStr = Field(default=SecretStr(""), description="of that user")
    cassandra_request_timeout_s: float = Field(
        default=2.0,
        ge=0.1,
        le=10,
        description="how long one statement may take, repetitions on other nodes included; below "
        "the lease of 10 s, or a scheduler loses it before it has tried twice",
    )
    cassandra_speculative_delay_s: float = Field(
        default=0.2,
        gt=0,
        le=10,
        description="a statement that is unanswered for so long is also sent to another node",
    )
    kafka_bootstrap: Address = Field(
        default="127.0.0.1:9092", description="host:port of Kafka brokers, comma separated"
    )
    segments: int = Field(
        default=64,
        ge=1,
        le=MAX_SEGMENTS,
        description="segments of a new store; fixed when it is made",
    )
    payload_limit: int = Field(
        default=262_144, ge=0, le=8_388_608, description="largest payload, in bytes"
    )
    max_in_flight_per_user: int = Field(
        default=0,
        ge=0,
        description="unfinished COMPLETION_REPORTED runs of one user at once, over the whole "
        "cluster; 0 for no limit",
    )
    max_in_flight_per_topic: TopicLimits = Field(
        default={},
        description="likewise by topic: one number for each topic, or billing=20,*=100",
    )
    dispatch_rate_per_topic: TopicLimits = Field(
        default={},
        description="runs per second by topic, over the whole cluster: as above; 0 for any",
    )
    gateway: str = Field(default="", description="the gateway's program; searched for where empty")
    metrics_address: ServedAddress = Field(
        default="127.0.0.1:7490",
        description="host:port on which metrics are served for Prometheus; none where empty",
    )
    otlp_endpoint: str = Field(
        default="",
        # A password in it would be logged by whoever cannot reach it; OTEL_EXPORTER_OTLP_HEADERS
        # is for that.
        pattern=r"^(https?://[^/@\s]+)?$",
        description="http://host:port of an OpenTelemetry Collector that takes OTLP over gRPC; "
        "metrics and traces are pushed to it",
    )
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="part of the traces that begin here and are kept"
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="least level logged"
    )
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="how log lines look"
    )
