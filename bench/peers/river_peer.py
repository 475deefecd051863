"""River as a peer."""

from pathlib import Path

from bootstrap import gobuild

from bench.peers.port import Program
from bench.peers.server import PostgreSQL, Server

_MODULE = Path(__file__).with_name("river")


class River:
    """River on PostgreSQL."""

    name = "river"
    engine = "River on PostgreSQL"
    batches = True
    clients = 64
    #: A Go program uses all cores.
    workers = 1

    def server(self, folder: Path) -> Server:
        """A PostgreSQL."""
        return PostgreSQL(folder)

    def program(self) -> Program:
        """Built from the module in the folder river."""
        sources = [*sorted(_MODULE.glob("*.go")), _MODULE / "go.mod", _MODULE / "go.sum"]
        return Program((gobuild.build("peer-river", _MODULE, sources),))
