"""Addresses on loopback for the nodes of an instance."""

import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path

# Linux answers for all of 127.0.0.0/8. The low networks are left to what people use by hand.
_FIRST, _LAST = 64, 250
_TRIES = 200


def free_network(home: Path, *, nodes: int, ports: Sequence[int]) -> str:
    """A network such as ``127.77.3.`` on which no node's port is taken.

    Nodes must have an address each and a common port, since drivers expect that. So an instance
    gets a network instead of ports; which one follows from where it lives.

    Raises:
        OSError: No network is free.
    """
    for attempt in range(_TRIES):
        digest = hashlib.sha256(f"{home}\0{attempt}".encode()).digest()
        network = f"127.{_FIRST + digest[0] % (_LAST - _FIRST)}.{digest[1]}."
        addresses = [f"{network}{node}" for node in range(1, nodes + 1)]
        if all(_is_free(address, port) for address in addresses for port in ports):
            return network
    raise OSError(f"no free loopback network for {nodes} nodes with ports {list(ports)}")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
