"""What the bench asks of a peer, and what a peer's program is told and answers.

A peer's own code is one program, in whatever language it has, called in three ways:

    PROGRAM setup URL           makes what the peer needs in its server
    PROGRAM submit URL ORDER    hands jobs in and prints a receipt, both JSON as below
    PROGRAM work URL FOLDER     works until SIGTERM, and stamps each job's start (see stamps.py)

A job is an empty function of a number and a payload of the ordered length, which stamps its start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.peers.server import Server

PAYLOAD_BYTES = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Jobs to be handed in.

    The i-th from 0 has the number `first + i` and is due at `due_us + i * apart_us`.
    """

    first: int = 0
    count: int
    #: Jobs in a request; 1 is the peer's own way to hand in a single one.
    batch: int
    #: Requests on their way at once.
    clients: int
    #: More jobs, of the numbers that follow, which are handed in first and not measured.
    warm_up: int = 0
    #: Unix microseconds.
    due_us: int
    apart_us: float = 0.0
    payload: int = PAYLOAD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How it went to hand them in, without the program's start and the warming up."""

    seconds: float
    #: Of a request.
    p50_ms: float
    p99_ms: float
    #: CPU time of the submitting program.
    cpu_s: float
    #: The most memory that it held.
    peak_mib: int


@dataclass(frozen=True, slots=True)
class Program:
    """How a peer's program is called."""

    command: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class Peer(Protocol):
    """Another scheduler."""

    @property
    def name(self) -> str:
        """By which it is asked for."""
        ...

    @property
    def engine(self) -> str:
        """For people: what it is, and on which server."""
        ...

    @property
    def batches(self) -> bool:
        """Whether a request can hold more than one job."""
        ...

    @property
    def clients(self) -> int:
        """Requests on their way at once, beyond which it gains nothing."""
        ...

    @property
    def workers(self) -> int:
        """Processes that work."""
        ...

    def server(self, folder: Path) -> Server:
        """One of its own, whose data lies in the folder; not started yet.

        Raises:
            ToolMissingError: it cannot be had on this machine.
        """
        ...

    def program(self) -> Program:
        """Has on this machine all that the program needs.

        Raises:
            ToolMissingError: it cannot be had.
        """
        ...
