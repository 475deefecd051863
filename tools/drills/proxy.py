"""A TCP proxy that can be cut: for one process that uses it, or for all.

A network cut is made by a proxy of our own, between the schedulers and whoever calls them, because
it needs neither root nor kernel modules, works on loopback, and can cut one process from others on
the same machine. A cut is silent, as a lost network is: connections stay, new ones are accepted,
and nothing goes through in either direction.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_CHUNK = 65_536


class Proxies:
    """Proxies in a thread of their own; as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._links: set[_Link] = set()
        self._cut_pids: set[int] = set()
        self._cut_targets: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, address: str, target: str) -> None:
        """Listens at `address` and passes on to `target`, both `host:port`."""
        self._call(self._open(address, target))

    def cut_process(self, pid: int) -> None:
        """Cuts a process from everything that it reaches through these proxies."""
        self._cut_pids.add(pid)
        self._call(self._apply())

    def cut_target(self, target: str) -> None:
        """Cuts everybody from a target."""
        self._cut_targets.add(target)
        self._call(self._apply())

    def mend(self) -> None:
        """Ends all cuts; what was held back goes on, as TCP would."""
        self._cut_pids.clear()
        self._cut_targets.clear()
        self._call(self._apply())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    async def _open(self, address: str, target: str) -> None:
        host, _, port = address.rpartition(":")

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            link = _Link(target, writer.get_extra_info("peername")[1], task)
            self._links.add(link)
            try:
                self._judge(link)
                # Cancelled by `_close` alone; asyncio's server would take it for an error.
                with contextlib.suppress(asyncio.CancelledError):
                    await link.run(reader, writer)
            finally:
                writer.transport.abort()
                self._links.discard(link)

        self._servers.append(await asyncio.start_server(serve, host, int(port)))

    async def _apply(self) -> None:
        for link in self._links:
            self._judge(link)

    def _judge(self, link: "_Link") -> None:
        ports = {port for pid in self._cut_pids for port in _ports(pid)}
        link.set_open(link.target not in self._cut_targets and link.client_port not in ports)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        serving = [link.serving for link in self._links]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


class _Link:
    """One connection through a proxy."""

    def __init__(self, target: str, client_port: int, serving: "asyncio.Task[None]") -> None:
        self.target = target
        self.client_port = client_port
        #: Runs it.
        self.serving = serving
        self._open = asyncio.Event()

    def set_open(self, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        host, _, port = self.target.rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        try:
            # Either end's end is the end of both.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            far_writer.transport.abort()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            return


def _ports(pid: int) -> set[int]:
    """The local TCP ports of a process's sockets (proc(5))."""
    inodes: set[str] = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    ports: set[int] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
