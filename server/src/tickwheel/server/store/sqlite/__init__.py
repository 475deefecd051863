"""The embedded engine: SQLite in WAL mode, one file, one writer that commits in groups.

`database` has the threads, the other modules hold one table group each. Nothing is acknowledged
before its commit is on the disk (synchronous=FULL).
"""

from tickwheel.server.store.sqlite.engine import DataInUseError, open_sqlite, read_sqlite

__all__ = ["DataInUseError", "open_sqlite", "read_sqlite"]
