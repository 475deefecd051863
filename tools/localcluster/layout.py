"""Which parts a local cluster has, where they listen and what they are told."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localcluster.health import grpc_obstacle, http_obstacle

# The default ports of the first api and of the gateway are part of the product's contract; the
# others are free to choose.
_API_PORT, _SCHEDULER_PORT, _WORKER_PORT, _HTTP_PORT = 7420, 7430, 7440, 7480
#: The metrics of a part are at its own port and so much.
_METRICS_ABOVE = 70

TICKWHEEL = Path(sys.executable).with_name("tickwheel")


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are of each part."""

    apis: int = 1
    schedulers: int = 2
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the cluster."""

    name: str
    """Such as ``worker-2``."""
    command: tuple[str | Path, ...]
    settings: Mapping[str, str]
    """Environment variables of its own."""
    address: str
    """Where it listens for others, ``host:port``; empty for a part that only connects."""
    obstacle: Callable[[], str | None]
    """Why it is not ready; None when it is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a cluster on one address of loopback."""

    host: str
    size: Size
    gateway: Path | None
    """The gateway's binary; None to go without REST."""
    fronts: Mapping[str, str] = field(default_factory=dict[str, str])
    """By name of a scheduler, the address at which the other parts reach it, where that is not
    its own: a proxy's."""
    worker: tuple[str | Path, ...] = ()
    """The workers' command, where it is another one than `tickwheel worker`."""

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports that the parts listen on."""
        size = self.size
        return (
            _HTTP_PORT,
            *range(_API_PORT, _API_PORT + size.apis),
            *range(_SCHEDULER_PORT, _SCHEDULER_PORT + size.schedulers),
            *range(_WORKER_PORT, _WORKER_PORT + size.workers),
            _METRICS_ABOVE + _HTTP_PORT,
            *range(_METRICS_ABOVE + _API_PORT, _METRICS_ABOVE + _API_PORT + size.apis),
            *range(
                _METRICS_ABOVE + _SCHEDULER_PORT, _METRICS_ABOVE + _SCHEDULER_PORT + size.schedulers
            ),
            *range(_METRICS_ABOVE + _WORKER_PORT, _METRICS_ABOVE + _WORKER_PORT + size.workers),
        )

    @property
    def grpc_address(self) -> str:
        """Where clients reach the first api."""
        return f"{self.host}:{_API_PORT}"

    @property
    def http_address(self) -> str:
        """Where clients reach the gateway."""
        return f"{self.host}:{_HTTP_PORT}"

    def parts(self) -> list[Part]:
        """All parts, in the order in which they are started."""
        apis = self._addresses(_API_PORT, self.size.apis)
        schedulers = self._addresses(_SCHEDULER_PORT, self.size.schedulers)
        servers = [(f"api-{n}", address) for n, address in enumerate(apis, 1)]
        servers += [(f"scheduler-{n}", address) for n, address in enumerate(schedulers, 1)]
        parts = [self._server(name, address) for name, address in servers]
        parts += [
            self._worker(f"worker-{n}", self.scheduler_addresses, address)
            for n, address in enumerate(self._addresses(_WORKER_PORT, self.size.workers), 1)
        ]
        if self.gateway is not None:
            parts.append(self._gateway(self.gateway))
        return parts

    def _addresses(self, first_port: int, count: int) -> list[str]:
        return [f"{self.host}:{port}" for port in range(first_port, first_port + count)]

    @property
    def scheduler_addresses(self) -> list[str]:
        """Where the other parts reach the schedulers."""
        own = self._addresses(_SCHEDULER_PORT, self.size.schedulers)
        return [self.fronts.get(f"scheduler-{n}", address) for n, address in enumerate(own, 1)]

    def _server(self, name: str, address: str) -> Part:
        front = self.fronts.get(name)
        return Part(
            name=name,
            command=(TICKWHEEL, name.partition("-")[0]),
            settings={
                "TICKWHEEL_GRPC_ADDRESS": address,
                "TICKWHEEL_METRICS_ADDRESS": metrics_address(address),
                **({"TICKWHEEL_ADVERTISED_ADDRESS": front} if front else {}),
            },
            address=address,
            obstacle=lambda: grpc_obstacle(address),
        )

    def _worker(self, name: str, schedulers: list[str], health: str) -> Part:
        return Part(
            name=name,
            command=self.worker or (TICKWHEEL, "worker"),
            settings={
                "TICKWHEEL_SCHEDULER_ADDRESSES": ",".join(schedulers),
                "TICKWHEEL_WORKER_HEALTH_ADDRESS": health,
                "TICKWHEEL_METRICS_ADDRESS": metrics_address(health),
                "TICKWHEEL_WORKER_ID": name,
            },
            address=health,
            obstacle=lambda: grpc_obstacle(health),
        )

    def _gateway(self, binary: Path) -> Part:
        return Part(
            name="gateway",
            command=(binary,),
            settings={
                "TICKWHEEL_ADDRESS": self.grpc_address,
                "TICKWHEEL_HTTP_ADDRESS": self.http_address,
                "TICKWHEEL_METRICS_ADDRESS": metrics_address(self.http_address),
            },
            address=self.http_address,
            obstacle=lambda: http_obstacle(self.http_address),
        )


def metrics_address(address: str) -> str:
    """Where a part that listens at an address serves its metrics."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + _METRICS_ABOVE}"
