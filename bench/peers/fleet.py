"""A peer that runs: its server, its workers, and what they have stamped."""

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from background.guard import RECORD, guard, unguard
from background.process import Process, alive, end, spawn
from background.wait import NotReadyError, tails

from bench.peers.port import Order, Peer, Program, Receipt
from bench.peers.server import Server
from bench.peers.stamps import Stamp, count, read
from tickwheel.server.bench.measure import Part

_CHECKOUT = Path(__file__).resolve().parents[2]
_GRACE_S = 30.0
_READY_S = 60.0
_POLL_S = 0.02
#: From here on numbers are those of jobs that only tell whether workers work.
_PROBES = 9_000_000_000


class Fleet:
    """The processes of one peer, on an empty server."""

    def __init__(self, peer: Peer, program: Program, server: Server, folder: Path) -> None:
        self.peer = peer
        self._program = program
        self._server = server
        self._folder = folder
        self._stamps = folder / "stamps"
        self._workers: dict[str, Process] = {}
        self._probes = 0

    def parts(self) -> Mapping[str, Part]:
        """The workers as its own, the server as not."""
        workers = {name: Part(process.pid, tree=True) for name, process in self._workers.items()}
        server = {self._server.kind: Part(self._server.pid, ours=False, tree=True)}
        return workers | server

    async def submit(self, order: Order) -> Receipt:
        """Hands jobs in, all of them when it returns.

        Raises:
            RuntimeError: the program failed.
        """
        answer = await self._call("submit", json.dumps(asdict(order)))
        return Receipt(**json.loads(answer))

    def started(self) -> int:
        """How many starts have been stamped so far."""
        return count(self._stamps) - self._probes

    def stamps(self) -> list[Stamp]:
        """All starts."""
        return [each for each in read(self._stamps) if each.number < _PROBES]

    async def restart(self) -> None:
        """Ends the workers properly and starts them again."""
        await asyncio.to_thread(end, list(self._workers.values()), grace_s=_GRACE_S)
        await self._start_workers()

    async def start(self) -> None:
        """Starts the server and the workers, and waits until a job is started.

        Raises:
            NotReadyError: one does not start.
            RuntimeError: the program failed.
        """
        self._stamps.mkdir()
        await asyncio.to_thread(self._server.start)
        await self._call("setup")
        await self._start_workers()

    async def stop(self) -> None:
        """Ends all, properly."""
        await asyncio.to_thread(end, list(self._workers.values()), grace_s=_GRACE_S)
        await asyncio.to_thread(self._server.stop)

    async def _start_workers(self) -> None:
        for number in range(1, self.peer.workers + 1):
            name = f"worker-{number}"
            home = self._folder / name
            home.mkdir(exist_ok=True)
            self._workers[name] = spawn(
                [*self._program.command, "work", self._server.url, self._stamps],
                folder=home,
                log=home / "output.log",
                record=home / RECORD,
                env=self._environment(),
            )
        await self._probe()

    async def _probe(self) -> None:
        """Waits until a job that is due is started."""
        before = count(self._stamps)
        first, due_us = _PROBES + self._probes, int(time.time() * 1e6)
        await self.submit(Order(first=first, count=1, batch=1, clients=1, due_us=due_us))
        self._probes += 1
        deadline = time.monotonic() + _READY_S
        while count(self._stamps) == before:
            if time.monotonic() > deadline or not all(map(alive, self._workers.values())):
                logs = [self._folder / name / "output.log" for name in self._workers]
                raise NotReadyError(f"{self.peer.engine} starts no job\n{tails(logs)}")
            await asyncio.sleep(_POLL_S)

    async def _call(self, action: str, *words: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(*self._program.command, action, self._server.url, *words),
            env={**os.environ, **self._environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            text = errors.decode(errors="replace")[-2_000:]
            raise RuntimeError(
                f"{self.peer.name}: {action} ended with {process.returncode}\n{text}"
            )
        return output

    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(_CHECKOUT), **self._program.environment}


@asynccontextmanager
async def fleet_of(peer: Peer, program: Program) -> AsyncGenerator[Fleet]:
    """A running peer on a server of its own; both end with the block, and should the bench die."""
    with TemporaryDirectory(prefix=f"tickwheel-peer-{peer.name}-") as home:
        folder = Path(home)
        fleet = Fleet(peer, program, peer.server(folder / "server"), folder)
        guard(folder, remove=True)
        try:
            await fleet.start()
            yield fleet
        finally:
            await fleet.stop()
            unguard(folder)
