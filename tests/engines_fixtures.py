"""A pytest plugin: a real Cassandra and a real Kafka for the tests that ask for one.

They are the servers that ``TICKWHEEL_TEST_CASSANDRA`` and ``TICKWHEEL_TEST_KAFKA`` name
(``address:port``, comma-separated), else they are started on loopback for this run: side by side,
in the background as the first test begins, if a selected test is known to need them.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from background.wait import tails
from engines import Instance, ToolMissingError, cassandra, kafka


@dataclass(frozen=True, slots=True)
class CassandraServer:
    """A running Cassandra that nothing but this test run uses."""

    contact_points: tuple[str, ...]
    """``address:port`` of each node."""


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """A running Kafka that nothing but this test run uses."""

    bootstrap: str
    """``address:port`` of each broker, comma-separated."""


@dataclass(frozen=True, slots=True)
class _Source:
    variable: str
    describe: Callable[[Path], Instance]


_SOURCES = {
    "cassandra_server": _Source(
        "TICKWHEEL_TEST_CASSANDRA", lambda folder: cassandra("test", home=folder / "cassandra")
    ),
    "kafka_server": _Source(
        "TICKWHEEL_TEST_KAFKA", lambda folder: kafka("test", home=folder / "kafka")
    ),
}


class _Servers:
    """The servers of this run, started at most once each."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tickwheel-engines-"))
        self._threads = ThreadPoolExecutor(len(_SOURCES))
        self._started: dict[str, Future[Instance]] = {}
        self._closing = contextlib.ExitStack()

    def begin(self, fixture: str) -> None:
        if fixture not in self._started and not _named(fixture):
            self._started[fixture] = self._threads.submit(self._start, fixture)

    def contact_points(self, fixture: str) -> tuple[str, ...]:
        if named := _named(fixture):
            return named
        self.begin(fixture)
        try:
            return self._started[fixture].result().contact_points
        except ToolMissingError as error:
            pytest.skip(f"{error} (or name a server by {_SOURCES[fixture].variable})")

    def obituary(self) -> str | None:
        """What the nodes logged that have ended on their own."""
        instances = [
            future.result()
            for future in self._started.values()
            if future.done() and future.exception() is None
        ]
        logs = [
            log
            for instance in instances
            for node in instance.nodes
            if instance.process(node.number) is None
            for log in instance.engine.logs(node)
        ]
        return tails(logs) if logs else None

    def end(self) -> None:
        self._threads.shutdown()
        self._closing.close()
        shutil.rmtree(self._folder)

    def _start(self, fixture: str) -> Instance:
        instance = _SOURCES[fixture].describe(self._folder)
        return self._closing.enter_context(instance)


_SERVERS = pytest.StashKey[_Servers]()


def _named(fixture: str) -> tuple[str, ...]:
    value = os.environ.get(_SOURCES[fixture].variable, "")
    return tuple(value.split(",")) if value else ()


def pytest_configure(config: pytest.Config) -> None:
    for fixture in _SOURCES:
        config.addinivalue_line(
            "markers", f"{fixture}: uses the fixture of this name by a way that cannot be seen"
        )
    config.stash[_SERVERS] = _Servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    for fixture in _SOURCES:
        if any(_needs(item, fixture) for item in session.items):
            session.config.stash[_SERVERS].begin(fixture)


def _needs(item: pytest.Item, fixture: str) -> bool:
    if item.get_closest_marker(fixture):
        return True
    return isinstance(item, pytest.Function) and fixture in item.fixturenames


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if obituary := config.stash[_SERVERS].obituary():
        terminalreporter.section("engines that ended on their own")
        terminalreporter.write_line(obituary)


@pytest.fixture(scope="session")
def cassandra_server(pytestconfig: pytest.Config) -> CassandraServer:
    """A Cassandra of one node; skips the test where none can be had."""
    return CassandraServer(pytestconfig.stash[_SERVERS].contact_points("cassandra_server"))


@pytest.fixture(scope="session")
def kafka_server(pytestconfig: pytest.Config) -> KafkaServer:
    """A Kafka of one broker; skips the test where none can be had."""
    return KafkaServer(",".join(pytestconfig.stash[_SERVERS].contact_points("kafka_server")))
