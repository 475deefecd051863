"""What is urgent overtakes what a burst has queued."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.store.sqlite.database import MAX_GROUP, Database


async def test_what_is_urgent_goes_before_what_is_queued(tmp_path: Path) -> None:
    database = Database(tmp_path / "store")
    order: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def note(name: str) -> Callable[[sqlite3.Connection], None]:
        return lambda connection: order.append(name)

    def hold(connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait()

    first = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(begun.wait)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2 * MAX_GROUP):
            tasks.create_task(database.write(note("queued")))
        await asyncio.sleep(0)
        tasks.create_task(database.write(note("urgent"), urgent=True))
        await asyncio.sleep(0)
        go.set()
    await first
    await database.close()
    assert order == ["urgent"] + ["queued"] * 2 * MAX_GROUP


async def test_what_is_queued_is_written_before_it_is_closed(tmp_path: Path) -> None:
    database = Database(tmp_path / "store")
    writes = [asyncio.create_task(database.write(lambda _: 7)) for _ in range(3 * MAX_GROUP)]
    await asyncio.sleep(0)
    await database.close()
    assert set(await asyncio.gather(*writes)) == {7}
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.write(lambda _: 7)


async def test_what_cannot_be_committed_is_said_to_all_of_its_group(tmp_path: Path) -> None:
    database = Database(tmp_path / "store")
    with sqlite3.connect(tmp_path / "store", isolation_level=None, timeout=0) as other:
        other.execute("PRAGMA journal_mode=WAL")
        await database.write(lambda connection: connection.execute("PRAGMA busy_timeout=0"))
        other.execute("BEGIN IMMEDIATE")
        writes = [database.write(lambda _: 7) for _ in range(3)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailable] * 3
        other.execute("ROLLBACK")
    assert await database.write(lambda _: 7) == 7
    await database.close()


async def test_what_raises_is_undone_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "store")
    await database.write(lambda connection: connection.execute("CREATE TABLE t (n INTEGER)"))

    def put(number: int) -> Callable[[sqlite3.Connection], int]:
        def run(connection: sqlite3.Connection) -> int:
            connection.execute("INSERT INTO t VALUES (?)", (number,))
            if number == 3:
                raise LookupError("not this one")
            return number

        return run

    writes = [database.write(put(number)) for number in range(6)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    rows = await database.read(lambda db: db.execute("SELECT n FROM t ORDER BY n").fetchall())
    await database.close()
    assert isinstance(results.pop(3), LookupError)
    assert results == [0, 1, 2, 4, 5]
    assert rows == [(0,), (1,), (2,), (4,), (5,)]
