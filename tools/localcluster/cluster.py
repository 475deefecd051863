"""A local cluster: its parts started, broken, mended and ended, by name."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from background.guard import RECORD, guard, processes, unguard
from background.process import Process, end, kill, recorded, send, spawn
from background.wait import NotReadyError, tails, until_ready
from bootstrap.cache import exclusive
from engines.address import free_network

from localcluster.layout import TICKWHEEL, Layout, Part, Size

READY_S = 60.0
GRACE_S = 15.0


class LocalCluster:
    """Tickwheel's server parts on one address of loopback, with a Cassandra and a Kafka.

    As a context manager it starts the parts, has them killed should this program die, and kills
    them at the end; their logs stay. ``start`` and ``stop`` leave both to the caller.
    """

    def __init__(
        self,
        home: Path,
        *,
        cassandra: str,
        kafka: str,
        gateway: Path | None,
        size: Size | None = None,
        host: str | None = None,
        settings: Mapping[str, str] | None = None,
        fronts: Callable[[str], Mapping[str, str]] | None = None,
        worker: Sequence[str | Path] = (),
    ) -> None:
        """Describe a cluster; nothing is started.

        Args:
            home: Its folder, with a log and a process record of each part.
            cassandra: Contact points, ``address:port``, comma-separated.
            kafka: Bootstrap servers, ``address:port``, comma-separated.
            gateway: The gateway's binary (see ``bootstrap.gateway``); None for no REST.
            size: How many of each part.
            host: The address to listen on, by default one that no other cluster uses.
            settings: More environment variables for all parts.
            fronts: From the address that the parts listen on, by name of a scheduler, where the
                others are to reach it: a proxy's address.
            worker: The workers' command, where it is another one than `tickwheel worker`.
        """
        self.home = home.absolute()
        size = size or Size()
        if host is None:
            ports = Layout("", size, gateway).ports
            host = f"{free_network(self.home, nodes=1, ports=ports)}1"
        self.layout = Layout(host, size, gateway, fronts(host) if fronts else {}, tuple(worker))
        self.settings = {
            "TICKWHEEL_STORE": "cassandra",
            "TICKWHEEL_CASSANDRA_CONTACT_POINTS": cassandra,
            "TICKWHEEL_KAFKA_BOOTSTRAP": kafka,
            **(settings or {}),
        }
        self.parts = {part.name: part for part in self.layout.parts()}

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        guard(self.home, remove=False)
        try:
            self.start()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abandon()

    @property
    def grpc_address(self) -> str:
        """Where clients reach the first api, ``host:port``."""
        return self.layout.grpc_address

    @property
    def http_address(self) -> str:
        """Where clients reach the gateway, ``host:port``."""
        return self.layout.http_address

    def start(self, *names: str) -> None:
        """Start the named parts (all, without a name) that do not run; wait until they are ready.

        Starting all migrates the store's schema first.

        Raises:
            NotReadyError: A part ended or was not ready in time, or the migration failed; the text
                has the log's end.
        """
        parts = self._named(names)
        self.home.mkdir(parents=True, exist_ok=True)
        with exclusive(self.home):
            if not names:
                self._migrate()
            for part in parts:
                self._launch(part)
        for part in parts:
            self._await(part)

    def stop(self, *names: str) -> None:
        """End the named parts (all, without a name) properly: SIGTERM, and time to obey."""
        end(self._running(names), grace_s=GRACE_S)

    def kill(self, *names: str) -> None:
        """End the named parts with SIGKILL and wait until they are gone."""
        kill(self._running(names))

    def pause(self, *names: str) -> None:
        """Hang the named parts (SIGSTOP)."""
        for process in self._running(names):
            send(process, signal.SIGSTOP)

    def resume(self, *names: str) -> None:
        """Let the named parts that hang go on (SIGCONT)."""
        for process in self._running(names):
            send(process, signal.SIGCONT)

    def process(self, name: str) -> Process | None:
        """The process of a part; None when it does not run."""
        return recorded(self._folder(self.parts[name]) / RECORD)

    def log(self, name: str) -> Path:
        """What a part has printed in all its lives."""
        return self._folder(self.parts[name]) / "output.log"

    def tails(self) -> str:
        """The ends of all logs, to be shown with a failure."""
        return tails([self.log(name) for name in self.parts])

    def _named(self, names: Iterable[str]) -> list[Part]:
        return [self.parts[name] for name in names] or list(self.parts.values())

    def _running(self, names: Iterable[str]) -> list[Process]:
        found = (self.process(part.name) for part in self._named(names))
        return [process for process in found if process is not None]

    def _folder(self, part: Part) -> Path:
        return self.home / part.name

    def _migrate(self) -> None:
        done = subprocess.run(
            [TICKWHEEL, "migrate"],
            env={**os.environ, **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        (self.home / "migrate.log").write_text(done.stdout)
        if done.returncode != 0:
            raise NotReadyError(f"tickwheel migrate failed\n{done.stdout}")

    def _launch(self, part: Part) -> None:
        folder = self._folder(part)
        if recorded(folder / RECORD) is not None:
            return
        folder.mkdir(exist_ok=True)
        spawn(
            part.command,
            folder=folder,
            log=folder / "output.log",
            record=folder / RECORD,
            env={**self.settings, **part.settings},
        )

    def _await(self, part: Part) -> None:
        until_ready(
            part.obstacle,
            running=lambda: self.process(part.name) is not None,
            what=part.name,
            logs=[self.log(part.name)],
            timeout_s=READY_S,
        )

    def _abandon(self) -> None:
        unguard(self.home)
        kill(processes(self.home))
