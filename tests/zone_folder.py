"""A folder of time-zone files of a test's own, in which a zone can be given other data."""

import shutil
from pathlib import Path

import tzdata

_SOURCE = Path(tzdata.__file__).with_name("zoneinfo")

#: A place that is one hour ahead of UTC until it is moved.
TOWN = "Test/Town"


class ZoneFolder:
    """Holds UTC and TOWN."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "Test").mkdir(parents=True)
        shutil.copyfile(_SOURCE / "UTC", root / "UTC")
        self.move(1)

    def move(self, hours: int) -> None:
        """Gives TOWN another offset from UTC, as new data do: the file is replaced as one."""
        # POSIX counts the other way round.
        name = f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
        fresh = self.root / "Test" / "Town.new"
        shutil.copyfile(_SOURCE / name, fresh)
        fresh.rename(self.root / TOWN)
