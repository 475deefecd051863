"""The database or broker of a peer: on loopback, with a folder and a port of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

from background.guard import RECORD
from background.process import Process, alive, end, send, spawn
from background.wait import until_ready
from bootstrap.command import ToolMissingError, output_of
from bootstrap.debian import install_packages

_START_S = 60.0
_GRACE_S = 20.0


class Server(ABC):
    """A server that is started for one set of jobs.

    Args:
        folder: for its data; made here.
    """

    #: For people.
    kind: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: Process | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where its clients find it."""

    @property
    def pid(self) -> int:
        """Of the process that was started; others may be its children."""
        if self._process is None:
            raise RuntimeError(f"{self.kind} is not started")
        return self._process.pid

    def start(self) -> None:
        """Starts it, and waits until it serves.

        Raises:
            NotReadyError: it does not.
        """
        self.folder.mkdir()
        log = self.folder / "output.log"
        command = self._prepared()
        process = spawn(command, folder=self.folder, log=log, record=self.folder / RECORD)
        self._process = process
        until_ready(
            self._obstacle,
            running=lambda: alive(process),
            what=self.kind,
            logs=[log],
            timeout_s=_START_S,
        )

    def stop(self) -> None:
        """Ends it properly."""
        if self._process is not None:
            end([self._process], grace_s=_GRACE_S)

    @abstractmethod
    def _prepared(self) -> list[str | Path]:
        """Makes its data and returns the command that runs it."""

    @abstractmethod
    def _obstacle(self) -> str | None:
        """Why it does not serve yet."""


class PostgreSQL(Server):
    """Debian's, with its own settings but for the memory that its documentation advises."""

    kind = "PostgreSQL"

    _USER = "bench"
    _SETTINGS = ("shared_buffers=512MB", "max_wal_size=4GB", "max_connections=200")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._programs = _postgresql()

    @property
    def url(self) -> str:
        """A database that every cluster has."""
        return f"postgresql://{self._USER}@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        """Ends it, and its clients' connections: SIGTERM alone would wait for those."""
        if self._process is not None:
            send(self._process, signal.SIGINT)
        super().stop()

    def _prepared(self) -> list[str | Path]:
        as_user = self._as_user()
        data = self.folder / "data"
        encoding = ("--encoding", "UTF8", "--locale", "C")
        make = (self._programs / "initdb", "--pgdata", data, "--auth", "trust", *encoding)
        done = subprocess.run(
            [*as_user, *make, "--username", self._USER, "--no-sync"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ToolMissingError(f"PostgreSQL makes no data:\n{done.stdout[-2_000:]}")
        settings = (
            *self._SETTINGS,
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            "unix_socket_directories=",
        )
        options = [word for setting in settings for word in ("-c", setting)]
        return [*as_user, self._programs / "postgres", "-D", data, *options]

    def _as_user(self) -> list[str]:
        """It does not run as root; then its package's own user runs it."""
        if os.geteuid() != 0:
            return []
        owner = pwd.getpwnam("postgres")
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        # A temporary folder is closed to others, and that user has to get through.
        self.folder.parent.chmod(0o711)
        ids = (f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}")
        return ["setpriv", *ids, "--clear-groups", "--"]

    def _obstacle(self) -> str | None:
        ready = [self._programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        return None if output_of(ready) is not None else "it does not accept connections"


class Redis(Server):
    """Debian's, with its own settings."""

    kind = "Redis"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if shutil.which("redis-server") is None:
            install_packages("redis-server")

    @property
    def url(self) -> str:
        """The first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _prepared(self) -> list[str | Path]:
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder)
        return ["redis-server", *where]

    def _obstacle(self) -> str | None:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5.0) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(16)
        except OSError as error:
            return str(error)
        return None if answer.startswith(b"+PONG") else repr(answer)


def _postgresql() -> Path:
    """The folder of its programs, which Debian keeps off PATH."""

    def found() -> Path | None:
        if on_path := shutil.which("postgres"):
            return Path(on_path).resolve().parent
        versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
        return newest.parent if newest else None

    if (programs := found()) is None:
        install_packages("postgresql")
        programs = found()
    if programs is None:
        raise ToolMissingError("PostgreSQL is needed, and its package brought no program postgres")
    return programs


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
