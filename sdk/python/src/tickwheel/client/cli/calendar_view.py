"""Days with occurrences, as the months of a calendar; for people, so dates are those of a zone."""

import calendar
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

MOST_MONTHS = 12
"""So many months are drawn; what lies beyond is in the list of times."""

_BESIDE = 3
_DAY_WIDTH = 4
_MONTH_WIDTH = 7 * _DAY_WIDTH
_BETWEEN = "   "


def calendar_lines(days: Sequence[date], excluded: Collection[date] = ()) -> "Iterator[Text]":
    """The months from the first day to the last, three beside each other.

    A day with occurrences stands in brackets, one that is left out in parentheses. Months without
    either are not drawn.
    """
    from rich.text import Text

    counts = Counter(days)
    months = sorted({(day.year, day.month) for day in days})
    drawn = months[:MOST_MONTHS]
    for start in range(0, len(drawn), _BESIDE):
        columns = [
            list(_month(year, month, counts, excluded))
            for year, month in drawn[start : start + _BESIDE]
        ]
        height = max(len(column) for column in columns)
        for column in columns:
            column += [Text(" " * _MONTH_WIDTH)] * (height - len(column))
        for cells in zip(*columns, strict=True):
            line = Text(_BETWEEN).join(cells)
            line.rstrip()
            yield line
    if len(months) > MOST_MONTHS:
        yield Text(f"… and {len(months) - MOST_MONTHS} more months", style="dim")


def _month(
    year: int, month: int, counts: Counter[date], excluded: Collection[date]
) -> "Iterator[Text]":
    from rich.text import Text

    yield Text(f"{calendar.month_name[month]} {year}".center(_MONTH_WIDTH), style="bold")
    yield Text("".join(f" {day} " for day in ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")), "dim")
    for week in calendar.Calendar().monthdatescalendar(year, month):
        line = Text()
        for day in week:
            if day.month != month:
                line.append(" " * _DAY_WIDTH)
            elif counts[day]:
                line.append(f"[{day.day:>2}]", "bold green")
            elif day in excluded:
                line.append(f"({day.day:>2})", "red")
            else:
                line.append(f" {day.day:>2} ")
        yield line
