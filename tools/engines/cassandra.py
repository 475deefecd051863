"""Apache Cassandra 5.0 as an engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from bootstrap.java import java

from engines.cql import CONSISTENCY_ALL, CONSISTENCY_ONE, refusal
from engines.engine import Engine, Node
from engines.instance import Instance, state_home
from engines.jars import jars

CommitlogSync = Literal["periodic", "batch"]

_STORAGE_PORT = 7000
_RING = 2**64

_SYNC_SETTINGS: dict[CommitlogSync, str] = {
    "periodic": "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms",
    "batch": "commitlog_sync: batch",
}

# An even initial_token each and no bootstrap: nodes come up together, at once. All are seeds, so
# that each can come back whichever other one is down.
_SETTINGS = """\
cluster_name: tickwheel
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
num_tokens: 1
initial_token: {token}
auto_bootstrap: false
listen_address: {node.address}
rpc_address: {node.address}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "{seeds}"}}]
{sync}
paxos_variant: v2
commitlog_total_space: 512MiB
auto_snapshot: false
hints_flush_period: 1000ms
max_hints_file_size: 16MiB
file_cache_size: 64MiB
"""

_LOGGING = """\
<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>{log}</file>
    <encoder><pattern>%-5level [%thread] %date{{ISO8601}} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
"""

# The initial heap is locked in memory, so it is small.
_JVM = """\
-Xms256M
-Xmx{heap_mib}M
-Xss384k
-XX:+UseG1GC
-XX:MaxGCPauseMillis=100
-XX:+ExitOnOutOfMemoryError
-XX:+PerfDisableSharedMem
--add-opens=java.base/sun.nio.ch=ALL-UNNAMED
--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED
--add-opens=java.base/java.io=ALL-UNNAMED
--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED
--add-exports=java.rmi/sun.rmi.server=ALL-UNNAMED
--add-exports=java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED
-Dio.netty.tryReflectionSetAccessible=true
-Djava.net.preferIPv4Stack=true
-Dcassandra.config=file://{node.folder}/cassandra.yaml
-Dcassandra.storagedir={node.folder}/data
-Dcassandra.logdir={node.folder}
-Dlogback.configurationFile={node.folder}/logback.xml
-Dcassandra.ring_delay_ms=2000
-Dcassandra.skip_wait_for_gossip_to_settle=0
-cp
{jars}/*
"""


@dataclass(frozen=True, slots=True)
class Cassandra(Engine):
    """Cassandra nodes of one data centre.

    Attributes:
        commitlog_sync: ``batch`` acknowledges a write once it is on the disk, ``periodic`` (the
            engine's default) before, which survives a killed process but no power cut.
    """

    commitlog_sync: CommitlogSync

    kind: ClassVar[str] = "cassandra"
    client_port: ClassVar[int] = 9042
    ports: ClassVar[tuple[int, ...]] = (client_port, _STORAGE_PORT)

    def fetch(self) -> None:
        """Have Java and the jars here."""
        java()
        jars(self.kind)

    def configure(self, node: Node, nodes: list[Node]) -> None:
        """Write the node's settings."""
        values = {
            "node": node,
            "token": (node.number - 1) * (_RING // len(nodes)) - _RING // 2 + 1,
            "seeds": ",".join(f"{each.address}:{_STORAGE_PORT}" for each in nodes),
            "sync": _SYNC_SETTINGS[self.commitlog_sync],
            "log": node.folder / "system.log",
            # Three at once have to fit beside everything else that a drill runs.
            "heap_mib": 1024 if len(nodes) == 1 else 640,
            "jars": jars(self.kind),
        }
        contents = {"cassandra.yaml": _SETTINGS, "logback.xml": _LOGGING, "java.args": _JVM}
        for name, content in contents.items():
            (node.folder / name).write_text(content.format_map(values))

    def command(self, node: Node) -> list[str | Path]:
        """The daemon in the foreground."""
        arguments = f"@{node.folder / 'java.args'}"
        return [java(), arguments, "org.apache.cassandra.service.CassandraDaemon"]

    def obstacle(self, node: Node, nodes: list[Node]) -> str | None:
        """Ask the node; several must agree that all of them are up."""
        if len(nodes) == 1:
            query, consistency = "SELECT key FROM system.local", CONSISTENCY_ONE
        else:
            # A replica of every range has to answer, so this node must see all the others.
            query, consistency = "SELECT session_id FROM system_traces.sessions", CONSISTENCY_ALL
        return refusal(node.address, self.client_port, query, consistency)

    def logs(self, node: Node) -> list[Path]:
        """What the JVM printed and what Cassandra logged."""
        return [node.folder / "output.log", node.folder / "system.log"]


def cassandra(
    name: str,
    *,
    nodes: int | None = None,
    commitlog_sync: CommitlogSync = "periodic",
    home: Path | None = None,
) -> Instance:
    """Describe a Cassandra of ``nodes`` nodes.

    Args:
        name: Tells instances apart; each has addresses and data of its own.
        nodes: How many, by default as many as there are under this name, else one.
        commitlog_sync: See ``Cassandra``.
        home: Its folder, by default one of this name in the user's state folder.
    """
    return Instance(
        Cassandra(commitlog_sync=commitlog_sync),
        home=home or state_home() / f"cassandra-{name}",
        nodes=nodes,
    )
