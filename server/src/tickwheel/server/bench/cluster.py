"""What is measured, as the bench sees it: addresses, processes, and how to break them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from tickwheel.server.bench.measure import Part


class NotPossible(Exception):
    """The workload needs what this cluster does not allow; the text says what."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a cluster is reached, each `host:port`."""

    grpc: str
    #: Of the gateway; None without REST.
    http: str | None
    #: Brokers, comma-separated; None where the log is the embedded one.
    kafka: str | None


class Cluster(ABC):
    """A running Tickwheel."""

    #: What it runs on, for people.
    engine: str
    addresses: Addresses
    #: Made for the bench: what is left in it bothers nobody.
    disposable: bool

    @abstractmethod
    def parts(self) -> Mapping[str, Part]:
        """Its processes by name, such as `worker-1`; those on other machines are left out."""

    def named(self, kind: str) -> list[str]:
        """The names of the parts that do the work of a `scheduler` or a `worker`.

        Raises:
            NotPossible: this cluster's parts are not ours to stop.
        """
        raise NotPossible(f"the {kind}s of a named cluster are not the bench's to stop")

    async def stop(self, *names: str) -> None:
        """Ends parts properly."""
        raise NotPossible("the parts of a named cluster are not the bench's to stop")

    async def kill(self, *names: str) -> None:
        """Ends parts with SIGKILL."""
        raise NotPossible("the parts of a named cluster are not the bench's to kill")

    async def start(self, *names: str) -> None:
        """Starts parts that were ended, and waits until they are ready."""
        raise NotPossible("the parts of a named cluster are not the bench's to start")

    async def statements(self) -> int | None:
        """Requests that Cassandra has had from clients so far; None where it cannot be asked."""
        return None

    async def stored_mib(self) -> int | None:
        """What its jobs and runs take on the disk, in MiB; None where that cannot be asked."""
        return None


class Lab(ABC):
    """Where clusters come from."""

    #: What they run on, for people.
    engine: str

    @abstractmethod
    def open(self, store: str) -> AbstractAsyncContextManager[Cluster]:
        """A running cluster on the jobs of that name, which outlast it until the lab is closed."""
