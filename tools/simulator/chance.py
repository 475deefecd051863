"""Where all chance comes from: streams of random numbers by name, all from one seed.

Each link, each store connection, each part has a stream of its own, so that leaving out one fault
or one step of a workload disturbs the others as little as possible.
"""

import os
import random
import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, cast
from uuid import UUID

import uuid_utils


class Chance:
    """The seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> random.Random:
        """A stream of its own for that name."""
        digest = blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
        return random.Random(int.from_bytes(digest, "big"))


def install(chance: Chance, now_ms: Callable[[], int]) -> None:
    """Has this process's sources of chance follow the seed; it is to end with the simulation.

    Production code asks two of them: uuid_utils for ids, and os.urandom for traces and the ids of
    manual runs.

    Args:
        chance: the seed.
        now_ms: the instant that new ids carry.
    """
    bits = chance.stream("os.urandom")
    ids = chance.stream("uuid7")

    def urandom(size: int) -> bytes:
        return bits.randbytes(size)

    def uuid7(*_args: Any, **_kwargs: Any) -> UUID:
        head = now_ms() << 80 | 0x7 << 76 | ids.getrandbits(12) << 64
        return UUID(int=head | 0b10 << 62 | ids.getrandbits(62))

    os.urandom = urandom
    cast("Any", uuid_utils).uuid7 = uuid7


def unit(*parts: object) -> float:
    """A number from 0 up to 1 that depends on the parts alone."""
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return struct.unpack(">Q", digest)[0] / 2**64
