"""All settings of the servers. Each is an environment variable TICKWHEEL_<NAME> and a flag."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tickwheel.server.store.port import MAX_SEGMENTS


class Engine(StrEnum):
    """Where jobs are kept."""

    SQLITE = "sqlite"
    CASSANDRA = "cassandra"


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


AddressList = Annotated[list[str], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """What a server process is told from outside."""

    model_config = SettingsConfigDict(env_prefix="TICKWHEEL_", extra="ignore")

    grpc_address: str = Field(
        default="127.0.0.1:7420", description="host:port on which gRPC is served"
    )
    advertised_address: str = Field(
        default="",
        description="host:port by which the other processes reach this scheduler; "
        "the gRPC address where empty",
    )
    http_address: str = Field(
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
        default=1, ge=1, le=9, description="replication factor of a new keyspace"
    )
    kafka_bootstrap: str = Field(
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
    gateway: str = Field(default="", description="the gateway's program; searched for where empty")
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="least level logged"
    )
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="how log lines look"
    )
