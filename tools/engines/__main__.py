"""``python -m engines``: real Cassandra and Kafka on loopback, from a shell."""

import argparse
import sys
from pathlib import Path

from background.process import resident_mib
from background.wait import NotReadyError
from bootstrap.command import ToolMissingError
from bootstrap.java import java

from engines.cassandra import Cassandra, cassandra
from engines.instance import Instance
from engines.jars import jars
from engines.kafka import Kafka, kafka


def main() -> int:
    """Do what the arguments say; 1 when the engine cannot be had or does not start."""
    parser = argparse.ArgumentParser(prog="engines", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("fetch", help="have on this machine what the engines need")
    helps = {
        "start": "start the nodes that do not run, and wait until they serve clients",
        "status": "show the nodes",
        "stop": "end the nodes; their data stays",
        "wipe": "end the nodes and remove their data",
    }
    for action, text in helps.items():
        command = actions.add_parser(action, help=text)
        command.add_argument("engine", choices=["cassandra", "kafka"])
        command.add_argument("--name", default="default", help="tells instances apart")
        command.add_argument("--nodes", type=int, help="default: as many as are there, else 1")
        command.add_argument("--home", type=Path, help="the instance's folder")
        command.add_argument(
            "--commitlog-sync",
            choices=["periodic", "batch"],
            default="periodic",
            help="Cassandra: batch acknowledges a write only once it is on the disk",
        )
    arguments = parser.parse_args()
    try:
        if arguments.action == "fetch":
            java()
            for engine in (Cassandra.kind, Kafka.kind):
                jars(engine)
        else:
            _act(arguments.action, _instance(arguments))
    except (ToolMissingError, NotReadyError, ValueError) as error:
        print(f"engines: {error}", file=sys.stderr)
        return 1
    return 0


def _instance(arguments: argparse.Namespace) -> Instance:
    if arguments.engine == "kafka":
        return kafka(arguments.name, nodes=arguments.nodes, home=arguments.home)
    return cassandra(
        arguments.name,
        nodes=arguments.nodes,
        commitlog_sync=arguments.commitlog_sync,
        home=arguments.home,
    )


def _act(action: str, instance: Instance) -> None:
    if action == "stop":
        instance.stop()
    elif action == "wipe":
        instance.wipe()
    else:
        if action == "start":
            instance.start()
        _show(instance)


def _show(instance: Instance) -> None:
    for node, contact_point in zip(instance.nodes, instance.contact_points, strict=True):
        process = instance.process(node.number)
        if process is None:
            print(f"{instance.engine.kind} {contact_point} does not run")
        else:
            held = f"{resident_mib(process)} MiB"
            print(f"{instance.engine.kind} {contact_point} pid {process.pid} {held} {node.folder}")


if __name__ == "__main__":
    sys.exit(main())
