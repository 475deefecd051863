"""One process's way to the store: what may happen to each request on it."""

import asyncio
import enum
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Kind(enum.Enum):
    """What a request does, which decides what its failure means."""

    READ = enum.auto()
    WRITE = enum.auto()
    #: A lightweight transaction.
    CONDITIONAL = enum.auto()


class Link(Protocol):
    """Carries requests to the store."""

    async def call(self, kind: Kind, work: Callable[[], T]) -> T:
        """Has the store do the work, and returns what came of it.

        Raises:
            StoreUnavailable: it was not done, and will not be.
            OutcomeUnknown: it may have been done, or may still be, some seconds later.
        """
        ...


class WritingLink(Link, Protocol):
    """Carries rows as well."""

    async def write(self, rows: Sequence[Callable[[], None]]) -> None:
        """Has the store write rows, which are on their way in several requests.

        Raises:
            StoreUnavailable: none of them was written, nor will be.
            OutcomeUnknown: some may have been, or may still be, some seconds later.
        """
        ...


class DirectLink:
    """Nothing ever happens to a request."""

    async def call(self, kind: Kind, work: Callable[[], T]) -> T:
        """As the port says."""
        await asyncio.sleep(0)
        return work()

    async def write(self, rows: Sequence[Callable[[], None]]) -> None:
        """As the port says."""
        await asyncio.sleep(0)
        for row in rows:
            row()
