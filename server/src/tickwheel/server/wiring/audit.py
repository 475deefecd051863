"""An audit as a process: opens store and log to read, and shows how far it is."""

import contextlib
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.proof.auditor import Auditor
from tickwheel.server.proof.log import AuditedLog, LogError
from tickwheel.server.proof.notebook import Notebook, Progress
from tickwheel.server.proof.scope import Scope
from tickwheel.server.settings import Engine, Settings
from tickwheel.server.store.port import Store
from tickwheel.server.wiring.stores import cassandra_options, data_dir


def places(settings: Settings) -> tuple[str, ...]:
    """Where an audit reads: its store and its log, the same each time they are named."""
    if settings.store is Engine.SQLITE:
        folder = data_dir(settings)
        return settings.store, settings.data if folder is None else str(folder.resolve())
    return (
        settings.store,
        *sorted(settings.cassandra_contact_points),
        settings.cassandra_keyspace,
        *sorted(settings.kafka_bootstrap.replace(" ", "").split(",")),
    )


async def run_audit(
    settings: Settings, scope: Scope, notebook: Notebook, *, show: bool
) -> tuple[Progress, str]:
    """Audits; returns what was counted, and the name of the log.

    Args:
        settings: where store and log are.
        scope: what to audit.
        notebook: holds what was read; it goes on from there.
        show: a progress bar on standard error.

    Raises:
        NoSuchJob: nothing was read.
        StoreUnavailable, LogError: it can go on later with the same notebook.
    """
    clock = SystemClock()
    async with _log(settings) as log, _store(settings, clock) as store:
        with _Bar() if show else contextlib.nullcontext() as bar:
            report = bar.report if bar is not None else _silent
            progress = await Auditor(store, log, notebook, scope, clock, report).run()
    return progress, log.name


@contextlib.asynccontextmanager
async def _store(settings: Settings, clock: SystemClock) -> AsyncGenerator[Store]:
    # Imported here so that a process loads the driver of its own engine alone.
    if settings.store is Engine.SQLITE:
        from tickwheel.server.store.sqlite import read_sqlite

        store = await read_sqlite(_folder(settings) / "tickwheel.db", clock)
    else:
        from tickwheel.server.store.cassandra import open_cassandra

        store = await open_cassandra(cassandra_options(settings), clock)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def _log(settings: Settings) -> AsyncGenerator[AuditedLog]:
    if settings.store is Engine.SQLITE:
        from tickwheel.server.proof.embedded_log import EmbeddedLog

        log: AuditedLog = EmbeddedLog(_folder(settings) / "records.db")
        try:
            yield log
        finally:
            await log.close()
        return
    try:
        from tickwheel.server.proof.kafka_log import KafkaLog
    except ModuleNotFoundError as error:
        raise LogError(f"reading Kafka needs aiokafka: {error}") from error
    kafka = KafkaLog(settings.kafka_bootstrap)
    try:
        await kafka.open()
        yield kafka
    finally:
        await kafka.close()


def _folder(settings: Settings) -> Path:
    folder = data_dir(settings)
    if folder is None:
        raise StoreUnavailable("what is in memory is its own process's alone")
    return folder


def _silent(_phase: str, _done: int, _total: int) -> None:
    pass


class _Bar:
    """How far each phase is, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
        )
        self._tasks = {
            phase: self._progress.add_task(text, total=None, visible=False)
            for phase, text in (
                ("jobs", "reading jobs"),
                ("records", "reading records"),
                ("states", "comparing states, by segment"),
                ("occurrences", "judging jobs"),
            )
        }

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, phase: str, done: int, total: int) -> None:
        """As the auditor says."""
        self._progress.update(self._tasks[phase], completed=done, total=total or None, visible=True)
