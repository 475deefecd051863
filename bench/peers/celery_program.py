"""Celery's program; see `bench.peers.port`."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from celery import Celery

from bench.peers.program import Job, Meter, Task, main
from bench.peers.stamps import Stamper

# A peer's packages are not in the project's environment.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false

#: Messages that a process of the worker is given ahead; those with an eta come on top.
_PREFETCH = 128


def app_at(url: str) -> Celery:
    """The app."""
    app = Celery("peer", broker=url)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
        worker_disable_rate_limits=True,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=_PREFETCH,
    )
    return app


def set_up(url: str) -> None:
    """Nothing: queues come up by themselves."""


def submit(url: str, task: Task) -> Meter:
    """Hands the jobs in, each in a message of its own: Celery has no other way."""
    app = app_at(url)
    app.conf.broker_pool_limit = task.clients
    _all(app, task, task.warm_up, Meter())
    meter = Meter()
    _all(app, task, task.requests, meter)
    return meter


def _all(app: Celery, task: Task, requests: Sequence[Sequence[Job]], meter: Meter) -> None:
    def send(request: Sequence[Job]) -> None:
        begun = time.perf_counter()
        for job in request:
            app.send_task("stamp", (job.number, task.payload), eta=job.due)
        meter.add(begun)

    with ThreadPoolExecutor(task.clients) as threads:
        for _ in threads.map(send, requests):
            pass


def work(url: str, folder: Path) -> None:
    """Works until SIGTERM, which the worker itself listens to."""
    app = app_at(url)
    stamp = Stamper(folder)

    @app.task(name="stamp")
    def _stamp(number: int, payload: str) -> None:
        stamp(number)

    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    # A process for each core, which is its default too.
    app.worker_main(["worker", "--pool", "prefork", *quiet])


if __name__ == "__main__":
    main(set_up, submit, work)
