"""Procrastinate's program; see `bench.peers.port`."""

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path

from procrastinate import App, PsycopgConnector

from bench.peers.program import Job, Meter, Task, main
from bench.peers.stamps import Stamper

# A peer's packages are not in the project's environment.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false

#: Jobs that a worker starts while others wait for the database.
_CONCURRENCY = 20
_CONNECTIONS = 20
#: A scheduled job is found by asking alone, at first every 5 s.
_POLL_S = 0.05


def app_at(url: str, connections: int) -> App:
    """The app, with a pool of so many connections."""
    return App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=connections))


def set_up(url: str) -> None:
    """Makes the schema."""

    async def make() -> None:
        async with app_at(url, 2).open_async() as app:
            await app.schema_manager.apply_schema_async()

    asyncio.run(make())


def submit(url: str, task: Task) -> Meter:
    """Hands the jobs in."""
    return asyncio.run(_submit(url, task))


async def _submit(url: str, task: Task) -> Meter:
    async with app_at(url, task.clients).open_async() as app:
        await _all(app, task, task.warm_up, Meter())
        meter = Meter()
        await _all(app, task, task.requests, meter)
        return meter


async def _all(app: App, task: Task, requests: Sequence[Sequence[Job]], meter: Meter) -> None:
    waiting = iter(requests)

    async def client() -> None:
        for request in waiting:
            begun = time.perf_counter()
            jobs = [
                app.configure_task("stamp", schedule_at=job.due).make_new_job(
                    number=job.number, payload=task.payload
                )
                for job in request
            ]
            if len(jobs) == 1:
                await app.job_manager.defer_job_async(jobs[0])
            else:
                await app.job_manager.batch_defer_jobs_async(jobs)
            meter.add(begun)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(task.clients):
            tasks.create_task(client())


def work(url: str, folder: Path) -> None:
    """Works until SIGTERM, which the worker itself listens to."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    app = app_at(url, _CONNECTIONS)
    stamp = Stamper(folder)

    @app.task(name="stamp")
    async def _stamp(number: int, payload: str) -> None:
        stamp(number)

    async def run() -> None:
        async with app.open_async():
            await app.run_worker_async(concurrency=_CONCURRENCY, fetch_job_polling_interval=_POLL_S)

    asyncio.run(run())


if __name__ == "__main__":
    main(set_up, submit, work)
