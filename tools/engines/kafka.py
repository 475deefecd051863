"""Apache Kafka 4 (KRaft, each node broker and controller) as an engine."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bootstrap.java import java

from engines.engine import Engine, Node
from engines.instance import Instance, state_home
from engines.jars import jars
from engines.kafka_protocol import known_brokers

_CONTROLLER_PORT = 9093
# Any 16 bytes in URL-safe base64; nodes of different instances never meet.
_CLUSTER_ID = "TickwheelEnginesLocal1"

# LogAppendTime: lateness is measured by the broker's own stamp.
_SETTINGS = """\
process.roles=broker,controller
node.id={node.number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{node.address}:{client_port},CONTROLLER://{node.address}:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={node.folder}/data
log.message.timestamp.type=LogAppendTime
log.cleaner.dedupe.buffer.size=16777216
auto.create.topics.enable=true
num.partitions=4
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
"""

# A killed broker stalls its partitions 2-5 s instead of 8-10 s. Not for a lone broker: nobody could
# take over, and a busy machine would only fence it now and then.
_QUICK_FAILOVER = """\
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
controller.quorum.fetch.timeout.ms=1500
controller.quorum.election.timeout.ms=800
"""

_LOGGING = """\
status=error
appender.file.type=File
appender.file.name=FILE
appender.file.fileName={log}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=info
rootLogger.appenderRef.file.ref=FILE
"""


@dataclass(frozen=True, slots=True)
class Kafka(Engine):
    """Kafka brokers of one cluster."""

    kind: ClassVar[str] = "kafka"
    client_port: ClassVar[int] = 9092
    ports: ClassVar[tuple[int, ...]] = (client_port, _CONTROLLER_PORT)

    def fetch(self) -> None:
        """Have Java and the jars here."""
        java()
        jars(self.kind)

    def configure(self, node: Node, nodes: list[Node]) -> None:
        """Write the node's settings, and format its storage when it is new."""
        replicas = min(len(nodes), 3)
        voters = (f"{each.number}@{each.address}:{_CONTROLLER_PORT}" for each in nodes)
        settings = _SETTINGS + (_QUICK_FAILOVER if len(nodes) > 1 else "")
        values = {
            "node": node,
            "voters": ",".join(voters),
            "client_port": self.client_port,
            "controller_port": _CONTROLLER_PORT,
            "replicas": replicas,
            "in_sync": max(replicas - 1, 1),
            "log": node.folder / "server.log",
        }
        (node.folder / "server.properties").write_text(settings.format_map(values))
        (node.folder / "log4j2.properties").write_text(_LOGGING.format_map(values))
        if not (node.folder / "data" / "meta.properties").exists():
            self._format(node)

    def command(self, node: Node) -> list[str | Path]:
        """The server in the foreground."""
        return [
            *(java(), "-Xms128M", "-Xmx512M", "-XX:+UseG1GC"),
            *("-XX:MaxGCPauseMillis=20", "-XX:+ExitOnOutOfMemoryError"),
            f"-Dlog4j2.configurationFile={node.folder / 'log4j2.properties'}",
            *("-cp", f"{jars(self.kind)}/*", "kafka.Kafka", node.folder / "server.properties"),
        ]

    def obstacle(self, node: Node, nodes: list[Node]) -> str | None:
        """Ask the broker how many it knows."""
        try:
            known = known_brokers(node.address, self.client_port)
        except (OSError, EOFError) as error:
            return f"{node.address}:{self.client_port}: {error}"
        return None if known == len(nodes) else f"it knows {known} of {len(nodes)} brokers"

    def logs(self, node: Node) -> list[Path]:
        """What the JVM printed and what Kafka logged."""
        return [node.folder / "output.log", node.folder / "server.log"]

    def _format(self, node: Node) -> None:
        command = [
            *(java(), "-Xmx128M", "-XX:TieredStopAtLevel=1", "-cp", f"{jars(self.kind)}/*"),
            *("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID),
            *("-c", node.folder / "server.properties"),
        ]
        with (node.folder / "output.log").open("ab") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True)


def kafka(name: str, *, nodes: int | None = None, home: Path | None = None) -> Instance:
    """Describe a Kafka of ``nodes`` brokers.

    Topics are made when first used, with 4 partitions, three replicas where there are as many
    brokers, and the broker's own time stamps.

    Args:
        name: Tells instances apart; each has addresses and data of its own.
        nodes: How many, by default as many as there are under this name, else one.
        home: Its folder, by default one of this name in the user's state folder.
    """
    return Instance(Kafka(), home=home or state_home() / f"kafka-{name}", nodes=nodes)
