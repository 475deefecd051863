"""Procrastinate as a peer."""

from pathlib import Path

from bench.peers.environment import python
from bench.peers.port import Program
from bench.peers.server import PostgreSQL, Server


class Procrastinate:
    """Procrastinate on PostgreSQL."""

    name = "procrastinate"
    engine = "Procrastinate on PostgreSQL"
    batches = True
    clients = 64
    workers = 2

    def server(self, folder: Path) -> Server:
        """A PostgreSQL."""
        return PostgreSQL(folder)

    def program(self) -> Program:
        """In the peers' own environment."""
        return Program((python(), "-m", "bench.peers.procrastinate_program"))
