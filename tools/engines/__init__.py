"""Real Cassandra and Kafka on this machine's loopback, from their published jars.

Here belongs starting, ending and watching the two engines, for tests, drills, benches and the local
cluster. What is kept in them, and every client of them, belongs elsewhere; the few bytes of their
protocols spoken here only tell whether they are ready. Standard library and Linux only.
"""

from background.wait import NotReadyError
from bootstrap.command import ToolMissingError

from engines.cassandra import cassandra
from engines.instance import Instance
from engines.kafka import kafka

__all__ = ["Instance", "NotReadyError", "ToolMissingError", "cassandra", "kafka"]
