"""The drills of `tickwheel dev`: power cuts, and a full disk."""

import asyncio
import contextlib
import errno
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from background.guard import RECORD, guard, unguard
from background.process import Process, end, kill, recorded, spawn
from background.wait import until_ready
from engines.address import free_network
from google.protobuf import duration_pb2
from localcluster.health import grpc_obstacle
from localcluster.layout import TICKWHEEL

from drills.drill import Times, now_ms
from drills.load import Load
from drills.targets import Seen
from drills.watch import seen_of
from tickwheel.client import ApiError, Client, RetryPolicy
from tickwheel.v1 import executor_service_pb2

_GRPC, _HTTP = 7420, 7480
_START_S, _STOP_S = 60.0, 30.0
#: The disk of the full-disk drill.
DISK = "48m"


class Dev:
    """A `tickwheel dev`, started and killed at will; as a context manager."""

    def __init__(self, home: Path, *, disk: str = "") -> None:
        """Describes one.

        Args:
            home: a fresh folder.
            disk: its data's file system is one of this size in memory; it goes with the process.
        """
        self._home = home
        self._folder = home / "dev"
        self._disk = disk
        host = f"{free_network(home, nodes=1, ports=(_GRPC, _HTTP))}1"
        self.address = f"{host}:{_GRPC}"
        self._http = f"{host}:{_HTTP}"

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        guard(self._home, remove=False)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        unguard(self._home)
        if (process := self.process) is not None:
            kill([process])

    @property
    def process(self) -> Process | None:
        """Its process; None when it does not run."""
        return recorded(self._folder / RECORD)

    @property
    def log(self) -> Path:
        """What it printed."""
        return self._folder / "output.log"

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        command: list[str | Path] = [TICKWHEEL, "dev"]
        if self._disk:
            # A mount of the process's own, which ends with it.
            mount = f'mount -t tmpfs -o size={self._disk} drill "$0" && exec "$@"'
            command = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, data, *command]
        environment: Mapping[str, str] = {
            "TICKWHEEL_DATA": str(data),
            "TICKWHEEL_GRPC_ADDRESS": self.address,
            "TICKWHEEL_HTTP_ADDRESS": self._http,
        }
        spawn(
            command,
            folder=self._folder,
            log=self.log,
            record=self._folder / RECORD,
            env=environment,
        )
        until_ready(
            lambda: grpc_obstacle(self.address),
            running=lambda: self.process is not None,
            what="tickwheel dev",
            logs=[self.log],
            timeout_s=_START_S,
        )

    def stop(self) -> None:
        """Ends it as Ctrl-C does."""
        if (process := self.process) is not None:
            end([process], grace_s=_STOP_S)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if (process := self.process) is not None:
            kill([process])

    def data(self) -> Path:
        """Its data directory, as it sees it."""
        process = self.process
        if process is None:
            raise RuntimeError("tickwheel dev does not run")
        return Path(f"/proc/{process.pid}/root") / (self._folder / "data").relative_to("/")


class PullWatch:
    """Reads a topic of the embedded log over gRPC, in a thread of its own."""

    def __init__(self, address: str, topic: str) -> None:
        self._address = address
        self._topic = topic
        self._lock = threading.Lock()
        #: By place, because what was handed out before a crash is handed out again.
        self._seen: dict[tuple[int, int], Seen] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def seen(self) -> list[Seen]:
        """All records so far."""
        with self._lock:
            return list(self._seen.values())

    async def _read(self) -> None:
        request = executor_service_pb2.PullRecordsRequest(
            topic=self._topic,
            group="drill",
            max=1_000,
            wait=duration_pb2.Duration(nanos=200_000_000),
        )
        retry = RetryPolicy(max_attempts=1_000, max_backoff=0.5)
        async with Client(self._address, timeout=60, retry=retry) as client:
            while not self._ended.is_set():
                try:
                    records = await client.pull_records(request)
                    if not records:
                        continue
                    self._note(records)
                    await client.ack_records(self._topic, "drill", records)
                except ApiError:
                    # The disk is full, or it is just being started: it is asked again.
                    await asyncio.sleep(0.2)

    def _note(self, records: Sequence[executor_service_pb2.Record]) -> None:
        with self._lock:
            for record in records:
                headers = {header.key: header.value.decode() for header in record.headers}
                seen = seen_of(headers, record.append_time.ToMilliseconds())
                self._seen[record.partition, record.offset] = seen


def power_cuts(dev: Dev) -> Callable[[Load], Times]:
    """Three power cuts amid writes."""

    def act(load: Load) -> Times:
        since_ms = now_ms()
        for cut in range(3):
            dev.kill()
            dev.start()
            since_ms = now_ms()
            if cut == 1:
                load.pause_some()
            time.sleep(4)
        return Times(since_ms)

    return act


def full_disk(dev: Dev) -> Callable[[Load], Times]:
    """The disk is full for some seconds; then there is room again."""

    def act(load: Load) -> Times:
        filler = dev.data() / "filler"
        _fill(filler)
        load.pause_some()
        time.sleep(8)
        filler.unlink()
        since_ms = now_ms()
        time.sleep(2)
        return Times(since_ms)

    return act


def _fill(filler: Path) -> None:
    """Takes what room there is, to the last byte."""
    block = bytes(4096)
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            try:
                file.write(block)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    return
                raise


def can_mount() -> bool:
    """Whether a process of ours may have a file system of its own."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    command = [unshare, "--mount", "--map-root-user", "mount", "-t", "tmpfs", "drill", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
