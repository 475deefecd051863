"""A lock on the data directory: one process at a time has the store open."""

import fcntl
import os
from pathlib import Path

from tickwheel.server.domain.errors import StoreUnavailable

_NAME = "tickwheel.lock"


class DataDirectoryInUse(StoreUnavailable):
    """Another living process has the data directory."""


class DirectoryLock:
    """Held until `release` or the end of the process, however that comes."""

    def __init__(self, folder: Path) -> None:
        """Takes the lock; does not wait for it.

        Raises:
            DataDirectoryInUse: another process holds it.
            StoreUnavailable: the directory cannot be written to.
        """
        path = folder / _NAME
        try:
            # Not inherited by children: a gateway that outlives us must not keep the lock.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"cannot use {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise DataDirectoryInUse(
                f"{folder} is in use by another tickwheel (process {holder or 'unknown'}); "
                "stop that one, or name another data directory"
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Lets the next one in. The file stays: removing it would let two in at once."""
        os.close(self._file)
