"""Which time-zone data there are: a digest of a folder of compiled time-zone files."""

import os
from hashlib import blake2b
from pathlib import Path

#: Beside the zones: the same ones again (with and without leap seconds), and what a machine is set
#: to, which is no matter to a schedule.
_OTHER = frozenset({"posix", "right", "localtime", "posixrules"})
_MAGIC = b"TZif"

#: A file's name within the folder, when it was written, its size, and which one it is.
_Seen = tuple[str, int, int, int]


class ZoneFiles:
    """The files of one folder, read again only when one of them was replaced."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: list[_Seen] = []
        self._digest = ""

    def digest(self) -> str:
        """The same for the same data, wherever and whenever they were installed.

        Reads the disk: it takes milliseconds, and tens of them when there are new data. While the
        folder cannot be read (it is just being replaced) it is as it was; empty before the first
        time.
        """
        try:
            seen = sorted(_files(self._root, ""))
            if seen != self._seen:
                self._digest = _digest(self._root, seen)
                self._seen = seen
        except OSError:
            # Looked at again the next time.
            self._seen = []
        return self._digest


def _digest(root: Path, files: list[_Seen]) -> str:
    digest = blake2b(digest_size=16)
    for name, *_ in files:
        data = (root / name).read_bytes()
        if data.startswith(_MAGIC):
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
    return digest.hexdigest()


def _files(folder: Path, prefix: str) -> list[_Seen]:
    found: list[_Seen] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # No zone has a dot in its name; tables, modules and what is being written do.
            if "." in entry.name or entry.name in _OTHER or entry.name == "__pycache__":
                continue
            name = prefix + entry.name
            if entry.is_dir():
                found += _files(folder / entry.name, f"{name}/")
            else:
                status = entry.stat()
                found.append((name, status.st_mtime_ns, status.st_size, status.st_ino))
    return found
