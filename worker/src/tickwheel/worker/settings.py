"""The worker's settings: environment variables `TICKWHEEL_…`, or flags of the same names."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tickwheel.worker.about import process_name


def _without_userinfo(value: str) -> str:
    if "@" in value:
        raise ValueError("an address has no user and no password in it")
    return value


def _with_port(value: str) -> str:
    _, colon, port = value.rpartition(":")
    if value and not (colon and port.isdecimal() and int(port) < 1 << 16):
        raise ValueError(f"it is to be host:port, and is {value}")
    return value


#: Whoever cannot reach one logs it.
Address = Annotated[str, AfterValidator(_without_userinfo)]
#: Where a process serves. gRPC would take the port modulo 65,536.
ServedAddress = Annotated[Address, AfterValidator(_with_port)]


class WorkerSettings(BaseSettings):
    """What a worker process can be told."""

    model_config = SettingsConfigDict(env_prefix="TICKWHEEL_", frozen=True, extra="ignore")

    scheduler_addresses: Annotated[tuple[Address, ...], NoDecode] = Field(
        default=("127.0.0.1:7420",),
        description="Schedulers to begin with, host:port, comma-separated.",
        min_length=1,
    )
    kafka_bootstrap: Address = Field(
        default="127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated."
    )
    worker_id: str = Field(
        default_factory=process_name,
        description="Unique among the living workers.",
        min_length=1,
        max_length=128,
    )
    worker_window_count: int = Field(
        default=20_000, ge=1, description="Assignments held at once, at most."
    )
    worker_window_bytes: int = Field(
        default=64 << 20, ge=1, description="Bytes of assignments held at once, at most."
    )
    worker_health_address: ServedAddress = Field(
        default="", description="host:port for gRPC health; none if empty."
    )
    metrics_address: ServedAddress = Field(
        default="127.0.0.1:7490", description="host:port for Prometheus; none if empty."
    )
    otlp_endpoint: str = Field(
        default="",
        # As the servers' setting: no password may be in it.
        pattern=r"^(https?://[^/@\s]+)?$",
        description="http://host:port of an OTLP receiver (gRPC); none if empty.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @field_validator("scheduler_addresses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
