"""The Cassandra engine: CQL, partitions and lightweight transactions behind the store port.

`driver` is the one place that touches scylla-driver, `session` groups rows into statements, and
the other modules hold one table group each. Nothing here knows what is due or who fires it.
"""

from tickwheel.server.store.cassandra.engine import CAPABILITIES, open_cassandra
from tickwheel.server.store.cassandra.migrate import SchemaOptions, migrate
from tickwheel.server.store.cassandra.options import CassandraOptions

__all__ = ["CAPABILITIES", "CassandraOptions", "SchemaOptions", "migrate", "open_cassandra"]
