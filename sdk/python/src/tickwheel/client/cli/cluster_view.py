"""The servers as people see them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from google.protobuf.duration_pb2 import Duration
from rich.table import Table
from rich.text import Text

from tickwheel.client.cli.output import console, instant, text
from tickwheel.v1 import cluster_service_pb2

_SCHEDULERS = (
    "SCHEDULER", "ADDRESS", "VERSION", "HOST", "HEARTBEAT", "LAG", "PENDING", "SEGMENTS"
)  # fmt: skip
_WORKERS = ("WORKER", "VERSION", "HOST", "SINCE", "HEARTBEAT", "CLOCK", "HELD", "SEGMENTS")


def print_cluster(found: cluster_service_pb2.Cluster) -> None:
    """Print all there is to it."""
    target = console()
    unowned = len(found.unowned_segments)
    head = f"{found.engine}, version {found.version}: {found.segment_count} segments"
    target.print(text(head, "bold"))
    if unowned:
        ids = numbers(found.unowned_segments)
        target.print(text(f"no scheduler owns {unowned} of them, and nothing fires: {ids}", "red"))
    # Of a scheduler that does not answer it is not known which workers it has.
    if not found.workers and all(one.answering for one in found.schedulers):
        target.print(text("no worker is connected, and nothing is published", "red"))
    if found.lag.ToMilliseconds():
        target.print(text(f"behind by {_length(found.lag)}", "yellow"))
    target.print()
    target.print(_table(_SCHEDULERS, map(_scheduler, found.schedulers)))
    target.print()
    print_workers(found.workers)


def print_workers(workers: Iterable[cluster_service_pb2.Worker]) -> None:
    """Print workers."""
    console().print(_table(_WORKERS, map(_worker, workers)))


def numbers(ids: Sequence[int]) -> str:
    """Ascending numbers with stretches drawn together: `0-3, 7, 9-10`."""
    stretches: list[list[int]] = [[ids[0], ids[0]]] if ids else []
    for one, other in pairwise(ids):
        if other == one + 1:
            stretches[-1][1] = other
        else:
            stretches.append([other, other])
    return ", ".join(f"{low}-{high}" if high > low else str(low) for low, high in stretches)


def _scheduler(one: cluster_service_pb2.Scheduler) -> Sequence[Text]:
    age = _length(one.heartbeat_age)
    state = "" if one.answering else "does not answer"
    if one.draining:
        state = "stopping"
    return (
        text(one.name.rpartition("/")[2]).append(f" {state}" if state else "", style="red"),
        text(one.address),
        text(one.version),
        text(one.host),
        text(f"{age} ago"),
        text(_length(one.lag) if one.answering else ""),
        text(str(one.pending_count) if one.answering else ""),
        text(f"{len(one.segments)}: {numbers([each.segment for each in one.segments])}"),
    )


def _worker(one: cluster_service_pb2.Worker) -> Sequence[Text]:
    return (
        text(one.name.rpartition("/")[2]).append(" draining" if one.draining else "", "yellow"),
        text(one.version),
        text(one.host),
        text(instant(one.connect_time)),
        text(f"{_length(one.heartbeat_age)} ago"),
        text(f"{one.clock_offset.ToMilliseconds():+d} ms"),
        text(f"{one.held_count} ({one.held_bytes} bytes)"),
        text(f"{len(one.segments)}: {numbers(one.segments)}"),
    )


def _length(duration: Duration) -> str:
    ms = duration.ToMilliseconds()
    return f"{ms} ms" if ms < 10_000 else f"{ms // 1000} s"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
