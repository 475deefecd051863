"""Filling a page out of a store's pages (AIP-158).

A page ends when it has as many items as were asked for, when it is as large as a message may be,
or when enough rows were looked at for one call; whatever ended it, the cursor is that behind the
last row looked at, so that nothing is shown twice or left out.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tickwheel.server.api.room import Held
from tickwheel.server.store.port import Page
from tickwheel.v1 import job_service_pb2

T = TypeVar("T")

DEFAULT_SIZE = 50
MAX_SIZE = 1_000
#: Rows read at a time: at first, as nothing is known of their size, and where none was taken yet.
_FIRST_CHUNK = 50
_CHUNK = 200
#: About so much of rows like those taken before. A row may have 256 KiB, and all that are read at a
#: time are in memory; but each read of a store has its price, of the run log a large one.
_CHUNK_BYTES = 8 * 1024 * 1024
#: Bytes of a message for each byte of compact JSON in it, at the worst (`[0,0,0…]`).
JSON_GROWTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWanted(Generic[T]):
    """What a page is to hold."""

    #: Items at most, 1 to 1,000.
    count: int
    #: Bytes, as `size_of` counts them; the first item is taken whatever its size.
    max_bytes: int
    #: Rows to look at at most.
    max_rows: int
    #: None lets everything through.
    matches: Callable[[T], bool] | None = None
    size_of: Callable[[T], int]
    #: Where its bytes are counted.
    held: Held


def clamp_page_size(
    request: job_service_pb2.ListJobsRequest
    | job_service_pb2.ListRunsRequest
    | job_service_pb2.ExplainJobRequest,
) -> None:
    """Takes a page size over the largest for the largest, as AIP-158 asks.

    The rules, which would refuse it, are checked after this.
    """
    request.page_size = min(request.page_size, MAX_SIZE)


def page_count(page_size: int) -> int:
    """How many items are meant by a request's page_size, 0 to 1,000; 0 is 50."""
    return page_size or DEFAULT_SIZE


async def fill_page(
    read: Callable[[bytes, int], Awaitable[Page[T]]], cursor: bytes, wanted: PageWanted[T]
) -> Page[T]:
    """Reads until the page is full.

    Args:
        read: gives the store's page behind a cursor, of at most so many rows.
        cursor: where to begin; empty for the beginning.
        wanted: what the page is to hold.

    Raises:
        ValueError: the cursor is not one of the store's.
        Overloaded: there is no room for it beside other pages.
    """
    items: list[T] = []
    room = wanted.max_bytes
    rows = 0
    chunk = _FIRST_CHUNK
    while True:
        limit = chunk if wanted.matches is not None else min(wanted.count - len(items), chunk)
        cut = False
        while True:
            page = await read(cursor, limit)
            taken = _take(page.items, wanted, wanted.count - len(items), room, first=not items)
            if taken.rows == len(page.items):
                break
            if taken.rows == 0:
                return Page(items, cursor)
            # The same rows again, but no more of them, for the cursor behind the last one used.
            limit = taken.rows
            cut = True
        wanted.held.take(taken.size)
        items += taken.items
        room -= taken.size
        rows += taken.rows
        chunk = _chunk_like(taken)
        if page.cursor is None:
            return Page(items, None)
        if cut or len(items) == wanted.count or rows >= wanted.max_rows:
            return Page(items, page.cursor)
        cursor = page.cursor


@dataclass(frozen=True, slots=True)
class _Taken(Generic[T]):
    items: list[T]
    #: Their size in bytes.
    size: int
    #: Rows looked at to find them.
    rows: int


def _chunk_like(taken: _Taken[T]) -> int:
    if not taken.items:
        return _CHUNK
    fitting = _CHUNK_BYTES * len(taken.items) // max(taken.size, 1)
    return min(max(fitting, _FIRST_CHUNK), MAX_SIZE)


def _take(
    rows: Sequence[T], wanted: PageWanted[T], count: int, room: int, *, first: bool
) -> _Taken[T]:
    items: list[T] = []
    total = 0
    for index, row in enumerate(rows):
        if wanted.matches is not None and not wanted.matches(row):
            continue
        if len(items) == count:
            return _Taken(items, total, index)
        size = wanted.size_of(row)
        if total + size > room and not (first and not items):
            return _Taken(items, total, index)
        items.append(row)
        total += size
    return _Taken(items, total, len(rows))
