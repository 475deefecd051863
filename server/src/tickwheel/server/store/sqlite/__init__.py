"""The SQLite engine: the embedded default, one file, durable, all in this process.

`database` has the threads and transactions, `schema` the tables, and each of the other modules one
part of the port as statements. Nothing here knows what is due or who fires it, and nothing outside
sees a row or an sqlite3 error.
"""

from tickwheel.server.store.sqlite.engine import open_sqlite

__all__ = ["open_sqlite"]
