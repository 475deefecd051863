"""Time zones as tables of spans, each with one offset, and the cache of those tables.

The tables are our own because `zoneinfo` answers "which offset at this instant" but not "until
when", and everything about gaps and overlaps is a question about the latter. Data come from the
folder that PYTHONTZPATH names, as everywhere in Python; else from the `tzdata` package where it is
installed, so that all replicas of a deployment use the same release whatever their operating system
carries; else from the system (`zoneinfo.TZPATH`).
"""

import difflib
import importlib.util
import os
import re
import struct
import threading
import zoneinfo
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.instants import DAY_S, EPOCH_ORDINAL
from tickwheel.server.schedule.tzif import ZoneData, read_tzif

#: Before and after everything that has a date.
_BEGIN_S = -(2**40)
_END_S = 2**40
#: The Gregorian calendar repeats after 400 years, weekdays included, and so do the rules of zones.
_CYCLE_S = 146_097 * DAY_S
_CYCLE_YEARS = 400
#: From here on spans are looked up in one cycle of years, so that a table has a bounded size.
_FOLD_YEAR = 2100
_FOLD_S = (date(_FOLD_YEAR, 1, 1).toordinal() - EPOCH_ORDINAL) * DAY_S


_LONGEST_NAME = 64
#: Names of the data that are no place's: what a computer has whose zone nobody has set.
_NO_ZONES = frozenset({"Factory"})
#: Nothing that could lead out of the folder.
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,3}")
#: When and how large a file was written, and as which one.
_Signature = tuple[int, int, int]


class Span(NamedTuple):
    """A stretch of time with one offset. Instants are Unix seconds, offsets seconds east of UTC."""

    start_s: int
    #: Exclusive.
    end_s: int
    offset_s: int
    #: In force before `start_s` and from `end_s` on; at the ends of time the same as `offset_s`.
    previous_s: int
    next_s: int


class Zone:
    """One time zone, of one release of the data. Immutable."""

    __slots__ = ("_cycle", "_data", "_spans", "_starts", "greatest_offset_s", "name")

    def __init__(self, name: str, data: ZoneData) -> None:
        self.name = name
        self._data = data
        changes = list(data.changes)
        if data.rule is not None:
            last = changes[-1][0] if changes else _BEGIN_S
            first_year = max(1900, 1970 + last // (366 * DAY_S)) if changes else 1900
            for year in range(first_year, _FOLD_YEAR + 2):
                changes += [change for change in data.rule.changes(year) if change[0] > last]
        self._spans = _spans(data.first_offset_s, changes)
        self._starts = [span.start_s for span in self._spans]
        self._cycle: tuple[list[int], list[Span]] | None = None
        #: No offset of the zone is greater.
        self.greatest_offset_s = max(span.offset_s for span in self._spans)

    def span_at(self, instant_s: int) -> Span:
        """The span that holds an instant, given in Unix seconds."""
        if instant_s < _FOLD_S or self._data.rule is None:
            return self._spans[bisect_right(self._starts, instant_s) - 1]
        shift = (instant_s - _FOLD_S) // _CYCLE_S * _CYCLE_S
        starts, spans = self._cycle or self._make_cycle()
        span = spans[bisect_right(starts, instant_s - shift) - 1]
        if not shift:
            return span
        return Span(span.start_s + shift, span.end_s + shift, *span[2:])

    def spans_between(self, start_s: int, end_s: int) -> Iterator[Span]:
        """The spans that begin in [start_s, end_s), each with a change of offset at its start."""
        span = self.span_at(start_s)
        while True:
            if span.start_s >= start_s and span.start_s != _BEGIN_S:
                yield span
            if span.end_s >= end_s or span.end_s == _END_S:
                return
            span = self.span_at(span.end_s)

    def wall_s(self, instant_s: int) -> int:
        """What the zone's clocks show at an instant, as seconds."""
        return instant_s + self.span_at(instant_s).offset_s

    def _make_cycle(self) -> tuple[list[int], list[Span]]:
        rule = self._data.rule
        if rule is None:
            raise AssertionError("only a zone with a rule is folded")
        changes: list[tuple[int, int]] = []
        # A year more on either side, so that the spans at the seams have both their ends.
        for year in range(_FOLD_YEAR - 2, _FOLD_YEAR + _CYCLE_YEARS + 2):
            changes += rule.changes(year)
        spans = _spans(changes[1][1], changes)
        self._cycle = ([span.start_s for span in spans], spans)
        return self._cycle


def _spans(first_offset_s: int, changes: list[tuple[int, int]]) -> list[Span]:
    # Changes of name or of the daylight flag alone are none to us.
    real: list[tuple[int, int]] = [(_BEGIN_S, first_offset_s)]
    for instant, offset in changes:
        if real[-1][0] == instant:
            real.pop()
        if not real or real[-1][1] != offset:
            real.append((instant, offset))
    spans: list[Span] = []
    for index, (start, offset) in enumerate(real):
        before = real[index - 1][1] if index else offset
        end, after = real[index + 1] if index + 1 < len(real) else (_END_S, offset)
        spans.append(Span(start, end, offset, before, after))
    return spans


#: What people write for a zone. Abbreviations that are zones as well are not among them.
_ABBREVIATIONS = {
    "aest": "Australia/Sydney",
    "bst": "Europe/London",
    "cdt": "America/Chicago",
    "cest": "Europe/Berlin",
    "cst": "America/Chicago",
    "edt": "America/New_York",
    "eest": "Europe/Helsinki",
    "ist": "Asia/Kolkata",
    "jst": "Asia/Tokyo",
    "mdt": "America/Denver",
    "msk": "Europe/Moscow",
    "pdt": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "sgt": "Asia/Singapore",
    "z": "UTC",
}


class _Read(NamedTuple):
    """A zone that has been read from its file."""

    path: Path
    signature: _Signature
    zone: Zone


class ZoneDatabase:
    """The zones of one folder of compiled time-zone files, read as they are asked for.

    Files that have been replaced are noticed: new data need no restart.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._zones: dict[str, _Read] = {}
        self._lock = threading.Lock()

    def zone(self, name: str) -> Zone:
        """The zone of an IANA name, by the data that are there now.

        A zone that was read once and whose file has vanished or is not readable any more (it may
        be about to be replaced) stays as it was.

        Raises:
            ScheduleError: TIME_ZONE_UNKNOWN, with the names that were probably meant.
        """
        known = self._zones.get(name)
        if known is not None and name == "UTC":
            # No release changes it, and every one-off job asks for it.
            return known.zone
        if known is None and (not _ZONE_NAME.fullmatch(name) or name in _NO_ZONES):
            raise self._unknown(self._complaint(name))
        path = self._root / name if known is None else known.path
        try:
            signature = _signature(path)
            if known is not None and known.signature == signature:
                return known.zone
            zone = Zone(name, read_tzif(path.read_bytes()))
        except (OSError, ValueError, struct.error) as error:
            if known is not None:
                return known.zone
            if path.is_file() and _is_tzif(path):
                raise self._unknown(f"the data of {name} cannot be read: {error}") from error
            raise self._unknown(self._complaint(name)) from error
        with self._lock:
            self._zones[name] = _Read(path, signature, zone)
        return zone

    def is_current(self, zone: Zone) -> bool:
        """Whether the zone is what the data that are there now say."""
        return self.zone(zone.name) is zone

    def names(self) -> tuple[str, ...]:
        """All names that are known, sorted."""
        return tuple(sorted(set(_names_under(self._root)) - _NO_ZONES))

    @property
    def version(self) -> str:
        """The release of the data, such as "2026f"; empty where the folder does not say."""
        try:
            with (self._root / "tzdata.zi").open(encoding="utf-8") as source:
                first = source.readline()
        except FileNotFoundError:
            return ""
        return first.removeprefix("# version ").strip()

    def _unknown(self, message: str) -> ScheduleError:
        return ScheduleError(ScheduleErrorReason.TIME_ZONE_UNKNOWN, "timeZone", message)

    def _complaint(self, name: str) -> str:
        if len(name) > _LONGEST_NAME:
            return (
                f"no time zone is called {name[:_LONGEST_NAME]!r} and more; "
                "use an IANA name such as Europe/Berlin or UTC"
            )
        if name in _NO_ZONES:
            return (
                f"{name} stands for a time zone that nobody has set; "
                "use an IANA name such as Europe/Berlin or UTC"
            )
        known = {one.lower(): one for one in self.names()}
        low = name.strip().lower().replace(" ", "_")
        guesses = [known[low]] if low in known else []
        if not guesses:
            cities = {spelling.rsplit("/", 1)[-1]: spelling for spelling in known}
            close = difflib.get_close_matches(low, known, 2, 0.75)
            city = difflib.get_close_matches(low.rsplit("/", 1)[-1], cities, 1, 0.8)
            guesses = [known[spelling] for spelling in close]
            guesses += [known[cities[one]] for one in city if known[cities[one]] not in guesses]
        text = f"no time zone is called {name!r}"
        if low.startswith(("+", "-", "utc+", "utc-", "gmt+", "gmt-")):
            return f"{text}: an offset is not a zone; use an IANA name such as Europe/Berlin or UTC"
        if low in _ABBREVIATIONS:
            return f"{text}: it is an abbreviation; did you mean {_ABBREVIATIONS[low]}?"
        if guesses:
            return f"{text}; did you mean {' or '.join(guesses[:3])}?"
        return f"{text}; use an IANA name such as Europe/Berlin or UTC"


def _signature(path: Path) -> _Signature:
    status = path.stat()
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _names_under(root: Path) -> Iterator[str]:
    listing = root.parent / "zones"
    if listing.is_file():
        yield from listing.read_text(encoding="utf-8").split()
        return
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(("posix/", "right/")) and _is_tzif(path):
            yield name


def _is_tzif(path: Path) -> bool:
    with path.open("rb") as source:
        return source.read(4) == b"TZif"


def default_root() -> Path:
    """The folder that time-zone data are read from.

    Raises:
        FileNotFoundError: there is none.
    """
    if os.environ.get("PYTHONTZPATH"):
        for folder in zoneinfo.TZPATH:
            if Path(folder).is_dir():
                return Path(folder)
    package = importlib.util.find_spec("tzdata")
    if package is not None and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "zoneinfo"
    for folder in zoneinfo.TZPATH:
        if Path(folder).is_dir():
            return Path(folder)
    raise FileNotFoundError("no time-zone data: install the tzdata package")


#: The database that schedules are compiled with.
ZONES = ZoneDatabase(default_root())
