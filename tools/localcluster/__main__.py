"""``python -m localcluster``: behind ``make cluster`` and ``make cluster-down``.

The engines are those that TICKWHEEL_CASSANDRA_CONTACT_POINTS and TICKWHEEL_KAFKA_BOOTSTRAP name,
else they are started on loopback.
"""

import argparse
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from background.guard import processes
from background.process import Process, end, resident_mib
from background.wait import NotReadyError
from bootstrap.command import ToolMissingError
from bootstrap.gateway import NAME as GATEWAY
from engines import Instance, cassandra, kafka
from engines.instance import state_home

from localcluster.cluster import GRACE_S, LocalCluster
from localcluster.layout import Size

_NAME = "cluster"
_ENGINES = {
    "TICKWHEEL_CASSANDRA_CONTACT_POINTS": cassandra,
    "TICKWHEEL_KAFKA_BOOTSTRAP": kafka,
}


def main() -> int:
    """Do what the arguments say; 1 when something does not start."""
    parser = argparse.ArgumentParser(prog="localcluster", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="start what does not run, and wait until all is ready")
    usual = Size()
    up.add_argument("--apis", type=int, default=usual.apis)
    up.add_argument("--schedulers", type=int, default=usual.schedulers)
    up.add_argument("--workers", type=int, default=usual.workers)
    down = actions.add_parser("down", help="end everything; data and logs stay")
    down.add_argument("--wipe", action="store_true", help="remove data and logs too")
    arguments = parser.parse_args()
    try:
        if arguments.action == "up":
            _up(Size(arguments.apis, arguments.schedulers, arguments.workers))
        else:
            _down(wipe=arguments.wipe)
    except (ToolMissingError, NotReadyError) as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    return 0


def _home() -> Path:
    return state_home().parent / _NAME


def _up(size: Size) -> None:
    # The environment's own names win; both of those that are left to us start at once.
    ours = {
        variable: describe(_NAME)
        for variable, describe in _ENGINES.items()
        if not os.environ.get(variable)
    }
    if ours:
        kinds = " and ".join(instance.engine.kind for instance in ours.values())
        print(f"starting {kinds} on loopback …", flush=True)
    with ThreadPoolExecutor() as threads:
        for starting in [threads.submit(instance.start) for instance in ours.values()]:
            starting.result()
    servers = {variable: os.environ.get(variable, "") for variable in _ENGINES} | {
        variable: instance.bootstrap for variable, instance in ours.items()
    }
    binary = shutil.which(GATEWAY)
    cluster = LocalCluster(
        _home(),
        cassandra=servers["TICKWHEEL_CASSANDRA_CONTACT_POINTS"],
        kafka=servers["TICKWHEEL_KAFKA_BOOTSTRAP"],
        gateway=Path(binary) if binary else None,
        size=size,
        host="127.0.0.1",
    )
    print("starting the parts …", flush=True)
    cluster.start()
    _show(cluster, list(ours.values()))
    kafka = servers["TICKWHEEL_KAFKA_BOOTSTRAP"]
    print(
        f"\nTry: export TICKWHEEL_ADDRESS={cluster.grpc_address} TICKWHEEL_KAFKA_BOOTSTRAP={kafka}"
        "\n     .venv/bin/tickwheel jobs list"
        f"\n     grpcurl -plaintext {cluster.grpc_address} list"
        + (f"\n     curl http://{cluster.http_address}/readyz" if binary else "")
        + "\nEnd: make cluster-down"
    )


def _down(*, wipe: bool) -> None:
    end(processes(_home()), grace_s=GRACE_S)
    for describe in _ENGINES.values():
        instance = describe(_NAME)
        instance.stop()
        if wipe:
            instance.wipe()
    if wipe:
        shutil.rmtree(_home(), ignore_errors=True)


def _show(cluster: LocalCluster, instances: list[Instance]) -> None:
    rows = [("part", "address", "pid", "MiB", "log")]
    for instance in instances:
        for node, address in zip(instance.nodes, instance.contact_points, strict=True):
            process, log = instance.process(node.number), instance.engine.logs(node)[-1]
            rows.append((instance.engine.kind, address, *_memory(process), str(log)))
    for part in cluster.parts.values():
        process, log = cluster.process(part.name), cluster.log(part.name)
        rows.append((part.name, part.address, *_memory(process), str(log)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def _memory(process: Process | None) -> tuple[str, str]:
    return (str(process.pid), str(resident_mib(process))) if process else ("ended", "")


if __name__ == "__main__":
    sys.exit(main())
