"""Where installed tools and built binaries are kept between runs."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path


def cache_home() -> Path:
    """The project's folder in the user's cache (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tickwheel"


@contextlib.contextmanager
def exclusive(folder: Path) -> Generator[None]:
    """Hold ``folder``'s lock, so that two processes do not fill it at the same time.

    The lock is the file beside the folder and ends with the process that holds it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
