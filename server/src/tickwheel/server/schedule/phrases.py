"""The words that descriptions are made of."""

from collections.abc import Iterable, Sequence

MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
#: From Sunday, which is 0.
WEEKDAY_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def counted(number: int, word: str) -> str:
    """`1 time`, `2 times`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def listed(items: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, final = items
    return f"{', '.join(others)} {last} {final}" if others else final


def ordinal(place: int) -> str:
    """`first`, `last`, `second to last`; from 6 on `6th`."""
    if place < 0:
        return "last" if place == -1 else f"{ordinal(-place)} to last"
    if place <= len(_ORDINALS):
        return _ORDINALS[place - 1]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{'th' if place % 100 in (11, 12, 13) else ending}"


def runs(values: Iterable[int], names: Sequence[str] | None = None) -> list[str]:
    """Sorted numbers with stretches of three and more drawn together: `1`, `3 to 7`."""
    found: list[list[int]] = []
    for value in sorted(values):
        if found and value == found[-1][1] + 1:
            found[-1][1] = value
        else:
            found.append([value, value])

    def name(value: int) -> str:
        return names[value] if names else str(value)

    texts: list[str] = []
    for low, high in found:
        if high - low >= 2:
            texts.append(f"{name(low)} to {name(high)}")
        else:
            texts += [name(value) for value in range(low, high + 1)]
    return texts
