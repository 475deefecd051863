"""`tickwheel dev` as a process of the bench's own."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tickwheel.server.bench.cluster import Addresses, Cluster, Lab
from tickwheel.server.bench.measure import Part, children
from tickwheel.server.bench.ready import until_ready
from tickwheel.server.dev.gateway import PROGRAM, find_gateway
from tickwheel.server.settings import Settings

_TICKWHEEL = Path(sys.executable).with_name("tickwheel")
_GATEWAY = "gateway"
ALL = "dev"
"""The one process that has all parts."""


class DevCluster(Cluster):
    """Every part in one process; breaking one breaks all."""

    engine = "embedded"
    disposable = True

    def __init__(self, folder: Path) -> None:
        rest = find_gateway(Settings()) is not None
        self.addresses = Addresses(
            grpc=f"127.0.0.1:{_free_port()}",
            http=f"127.0.0.1:{_free_port()}" if rest else None,
            kafka=None,
        )
        self._folder = folder
        self._data = folder / "data"
        self._process: asyncio.subprocess.Process | None = None

    def parts(self) -> Mapping[str, Part]:
        """The process, and the gateway that is its child."""
        if self._process is None:
            return {}
        pid = self._process.pid
        found = {ALL: Part(pid)}
        for child, name in children(pid).items():
            # The kernel cuts names to 15 characters.
            if PROGRAM.startswith(name):
                found[_GATEWAY] = Part(child)
        return found

    def named(self, kind: str) -> list[str]:
        """All parts are one."""
        return [ALL]

    async def stop(self, *names: str) -> None:
        """Ends it as Ctrl-C does."""
        await self._end(signal.SIGINT)

    async def kill(self, *names: str) -> None:
        """Ends it as a crash does."""
        await self._end(signal.SIGKILL)

    async def start(self, *names: str) -> None:
        """Starts it on its data."""
        self._folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "TICKWHEEL_GRPC_ADDRESS": self.addresses.grpc,
            "TICKWHEEL_HTTP_ADDRESS": self.addresses.http or "127.0.0.1:0",
            "TICKWHEEL_DATA": str(self._data),
        }
        log_file = self._folder / "dev.log"
        with log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                _TICKWHEEL, "dev", env=environment, stdout=log, stderr=log
            )
        process = self._process
        await until_ready(self.addresses.grpc, lambda: process.returncode is None, log_file)

    async def stored_mib(self) -> int | None:
        """Of all files of the store and the log."""
        files = (each for each in self._data.rglob("*") if each.is_file())
        return sum(each.stat().st_size for each in files) >> 20

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()
        self._process = None


class DevLab(Lab):
    """Dev processes, each set of jobs in a folder of its own under `folder`."""

    engine = DevCluster.engine

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def open(self, store: str) -> AsyncGenerator[Cluster]:
        """A dev process on the jobs of that name."""
        cluster = DevCluster(self._folder / store)
        try:
            await cluster.start()
            yield cluster
            await cluster.stop()
        finally:
            await cluster.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
