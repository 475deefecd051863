"""Writes docs/time-zones.md: what each zone's clocks have done since 2000 and will do until 2100.

python -m zonetable
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tickwheel.server.schedule.instants import format_wall, wall_s
from tickwheel.server.schedule.zone import ZONES, Span

PAGE = Path(__file__).parents[1] / "docs" / "time-zones.md"
_FIRST_S, _LAST_S = wall_s(2000, 1, 1), wall_s(2101, 1, 1)
_YEAR = (wall_s(2026, 1, 1), wall_s(2027, 1, 1))

_HEAD = """\
# The changes of each zone

What `tickwheel.server.schedule` reads out of the time-zone data {version}: a row for each history
since 2000, under all its names. Written by `make time-zones`, and held by a test against the
standard library's reading of the same data. [time.md](time.md) says what a schedule does at a
change.

Gap: the clocks go forward and leave times out. Overlap: they go back and show times twice. Times
are those of the wall clock, before → after. Counts are from 2000 to 2100; the years from now on are
what the rules in force say.

| zone | offset in 2026 | changes in 2026 | gaps | overlaps | by how much (how often) |
| --- | --- | --- | --: | --: | --- |
"""


def page() -> str:
    """The page's text."""
    rows = "".join(f"{row}\n" for row in sorted(_rows()))
    return _HEAD.format(version=ZONES.version) + rows


def _rows() -> Iterator[str]:
    histories: dict[tuple[int, tuple[Span, ...]], list[str]] = {}
    for name in ZONES.names():
        zone = ZONES.zone(name)
        spans = tuple(zone.spans_between(_FIRST_S, _LAST_S))
        histories.setdefault((zone.span_at(_FIRST_S).offset_s, spans), []).append(name)
    for (first_s, spans), names in histories.items():
        # A place says more than an abbreviation or a country.
        names.sort(key=lambda name: ("/" not in name or name.startswith("Etc/"), name))
        year = [span for span in spans if _YEAR[0] <= span.start_s < _YEAR[1]]
        before = [span.offset_s for span in spans if span.start_s < _YEAR[0]]
        begin = before[-1] if before else first_s
        offsets = list(dict.fromkeys([begin, *(span.offset_s for span in year)]))
        gaps = [span for span in spans if span.offset_s > span.previous_s]
        cells = (
            ", ".join(names),
            ", ".join(map(_offset, offsets)),
            "<br>".join(map(_change, year)) or "none",
            str(len(gaps)),
            str(len(spans) - len(gaps)),
            _sizes(spans),
        )
        yield f"| {' | '.join(cells)} |"


def _offset(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02d}:{minutes:02d}"


def _change(span: Span) -> str:
    before = format_wall(span.start_s + span.previous_s)
    after = format_wall(span.start_s + span.offset_s)
    return f"{before} → {after[11:] if after[:10] == before[:10] else after}"


def _sizes(spans: tuple[Span, ...]) -> str:
    sizes = Counter(abs(span.offset_s - span.previous_s) // 60 for span in spans)
    return ", ".join(f"{minutes} min ({count})" for minutes, count in sizes.most_common())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
