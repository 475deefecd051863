"""Celery as a peer."""

from pathlib import Path

from bench.peers.environment import python
from bench.peers.port import Program
from bench.peers.server import Redis, Server


class Celery:
    """Celery on Redis."""

    name = "celery"
    engine = "Celery on Redis"
    #: A message for each job, even of a group.
    batches = False
    #: More threads share one interpreter, and one connection is always ready.
    clients = 4
    #: With a pool of as many processes as there are cores.
    workers = 1

    def server(self, folder: Path) -> Server:
        """A Redis."""
        return Redis(folder)

    def program(self) -> Program:
        """In the peers' own environment."""
        return Program((python(), "-m", "bench.peers.celery_program"))
