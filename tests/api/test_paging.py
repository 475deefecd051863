"""Filling pages: whatever the sizes and filters, all rows come once and in order."""

from hypothesis import given
from hypothesis import strategies as st

from tickwheel.server.api.paging import PageWanted, fill_page
from tickwheel.server.api.room import Held, Room
from tickwheel.server.store.port import Page


@given(
    rows=st.lists(st.integers(0, 30), max_size=700),
    count=st.integers(1, 12),
    room=st.integers(1, 60),
    most=st.integers(1, 300),
    only=st.none() | st.integers(2, 9),
)
async def test_pages_add_up(
    rows: list[int], count: int, room: int, most: int, only: int | None
) -> None:
    async def read(cursor: bytes, limit: int) -> Page[int]:
        start = int(cursor or b"0")
        end = start + limit
        return Page(rows[start:end], str(end).encode() if end < len(rows) else None)

    def is_multiple(row: int) -> bool:
        return only is not None and row % only == 0

    wanted: PageWanted[int] = PageWanted(
        count=count,
        max_bytes=room,
        max_rows=most,
        matches=None if only is None else is_multiple,
        size_of=lambda row: row,
        held=Held(Room(0)),
    )
    found: list[int] = []
    cursor: bytes | None = b""
    while cursor is not None:
        page = await fill_page(read, cursor, wanted)
        assert len(page.items) <= count
        assert sum(page.items) <= room or len(page.items) == 1 or sum(page.items[1:]) == 0
        found += page.items
        cursor = page.cursor

    assert found == [row for row in rows if only is None or is_multiple(row)]
