"""Time zones as tables of spans, each with one offset, and the cache of those tables.

The tables are our own because `zoneinfo` answers "which offset at this instant" but not "until
when", and everything about gaps and overlaps is a question about the latter. Data come from the
`tzdata` package where it is installed, so that all replicas of a deployment use the same release
whatever their operating system carries; else from the system (`zoneinfo.TZPATH`).
"""

import difflib
import importlib.util
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


class ZoneDatabase:
    """The zones of one folder of compiled time-zone files, read as they are asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._zones: dict[str, Zone] = {}
        self._names: dict[str, str] | None = None
        self._seen = self._signature()
        self._lock = threading.Lock()

    def zone(self, name: str) -> Zone:
        """The zone of an IANA name.

        Raises:
            ScheduleError: TIME_ZONE_UNKNOWN, with the names that were probably meant.
        """
        zone = self._zones.get(name)
        if zone is not None:
            return zone
        with self._lock:
            if name not in self._known().values():
                raise ScheduleError(
                    ScheduleErrorReason.TIME_ZONE_UNKNOWN, "timeZone", self._complaint(name)
                )
            zone = Zone(name, read_tzif(self._root.joinpath(*name.split("/")).read_bytes()))
            self._zones[name] = zone
            return zone

    def names(self) -> tuple[str, ...]:
        """All names that are known, sorted."""
        with self._lock:
            return tuple(sorted(self._known().values()))

    @property
    def version(self) -> str:
        """The release of the data, such as "2026f"; empty where the folder does not say."""
        try:
            with (self._root / "tzdata.zi").open(encoding="utf-8") as source:
                first = source.readline()
        except FileNotFoundError:
            return ""
        return first.removeprefix("# version ").strip()

    def refresh(self) -> bool:
        """Looks whether the data have been replaced; if so, new compilations use the new ones.

        A schedule compiled before keeps the zone it was compiled with: compile it again.
        """
        with self._lock:
            now = self._signature()
            if now == self._seen:
                return False
            self._seen = now
            self._zones = {}
            self._names = None
            return True

    def _signature(self) -> tuple[int, ...]:
        marker = self._root / "tzdata.zi"
        status = (marker if marker.exists() else self._root).stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _known(self) -> dict[str, str]:
        """Names by their lower-case spelling."""
        if self._names is None:
            self._names = {name.lower(): name for name in _names_under(self._root)}
        return self._names

    def _complaint(self, name: str) -> str:
        known = self._known()
        low = name.strip().lower().replace(" ", "_")
        guesses = [known[low]] if low in known else []
        if not guesses:
            cities = {spelling.rsplit("/", 1)[-1]: spelling for spelling in known}
            close = difflib.get_close_matches(low, known, 2, 0.75)
            city = difflib.get_close_matches(low.rsplit("/", 1)[-1], cities, 1, 0.8)
            guesses = [known[spelling] for spelling in close]
            guesses += [known[cities[one]] for one in city if known[cities[one]] not in guesses]
        text = f"no time zone is called {name[:64]!r}"
        if low.startswith(("+", "-", "utc+", "utc-", "gmt+", "gmt-")):
            return f"{text}: an offset is not a zone; use an IANA name such as Europe/Berlin or UTC"
        if guesses:
            return f"{text}; did you mean {' or '.join(guesses[:3])}?"
        return f"{text}; use an IANA name such as Europe/Berlin or UTC"


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


def _default_root() -> Path:
    package = importlib.util.find_spec("tzdata")
    if package is not None and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "zoneinfo"
    for folder in zoneinfo.TZPATH:
        if Path(folder).is_dir():
            return Path(folder)
    raise FileNotFoundError("no time-zone data: install the tzdata package")


#: The database that schedules are compiled with.
ZONES = ZoneDatabase(_default_root())
