"""What an engine has to say about itself to be run as an instance."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Node:
    """One server of an instance."""

    number: int
    """From 1."""
    address: str
    """An IPv4 address on loopback."""
    folder: Path
    """Its configuration, data, logs and process record."""


@dataclass(frozen=True, slots=True)
class Engine(ABC):
    """How one kind of server is configured, started and found ready."""

    kind: ClassVar[str]
    client_port: ClassVar[int]
    ports: ClassVar[tuple[int, ...]]
    """All ports that a node listens on."""

    @abstractmethod
    def fetch(self) -> None:
        """Have on this machine all that ``command`` needs.

        Raises:
            ToolMissingError: It cannot be had.
        """

    @abstractmethod
    def configure(self, node: Node, nodes: list[Node]) -> None:
        """Write the files that ``command`` reads; called before each start, data there or not."""

    @abstractmethod
    def command(self, node: Node) -> list[str | Path]:
        """The command that runs the node in the foreground."""

    @abstractmethod
    def obstacle(self, node: Node, nodes: list[Node]) -> str | None:
        """Why the node does not serve clients yet, with all others up; None when it does."""

    @abstractmethod
    def logs(self, node: Node) -> list[Path]:
        """The files in which the node says why it failed."""
