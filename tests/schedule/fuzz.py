"""Feeds the readers of schedules with what nobody should write, and watches what they do with it.

    python -m schedule.fuzz [--bytes N] [--seed N] [--atheris]

Every text is either refused with a `ScheduleError` that a person can read, or it is a schedule that
works; both within 100 ms of CPU. Whether a cron expression or an interval is accepted is compared
with grammars written down here a second time. With --atheris (`pip install atheris`) the texts are
led by what they reach in the code; without it they are made from good ones by damaging them.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tickwheel.server.schedule import (
    Schedule,
    ScheduleError,
    ScheduleSpec,
    compile_schedule,
    preview,
)

LIMIT_S = 0.1
_NOW_MS = 1_795_435_200_000
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe")

CRON = (
    "30 2 * * *",
    "*/5 9-17 * * MON-FRI",
    "0 0 L-3,15W,LW * *",
    "0 0 ? * FRI#2,5L",
    "55-5/5 22-2 28-3 NOV-FEB FRI-MON",
    "*/10 * * * * *",
    "0 0 29 2 *",
    "@daily",
    "0 0 1,15 JAN/3 7",
)
INTERVALS = (
    "R5/2026-11-23T12:00:00Z/PT1H",
    "R/2026-01-31/P1M",
    "R/P1Y2M3W4DT5H6M7.5S",
    "R3/PT36H/20261123T120000+0530",
    "R/2026-11-23T12:00:00.5/2026-11-24T12:00:00",
)
RULES = (
    "FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1",
    "DTSTART;TZID=Europe/Berlin:20261123T090000\nRRULE:FREQ=DAILY;COUNT=5\n"
    "EXDATE;VALUE=DATE:20261124\nRDATE:20261201T000000",
    "FREQ=YEARLY;BYWEEKNO=-1,53;WKST=SU;UNTIL=20301231",
    "FREQ=HOURLY;INTERVAL=7;BYMINUTE=0,30;BYMONTHDAY=-1;BYHOUR=5",
    "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=9",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYYEARDAY=366",
)
ZONE_NAMES = ("Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC", "Etc/GMT+5")
EXCLUDES = ("2026-12-25", "2026-12-25T12:00:00Z", "20261225T120000+01")

_PIECES = (
    *"0123456789*/-,LW#?@:;=TZPR. \t\n+_",
    *("MON", "SUN", "JAN", "DEC", "FREQ=", "BYDAY=", "INTERVAL=", "COUNT=", "UNTIL=", "P1M", "PT"),
    *("99999999999999999999", "0", "-1", "31", "366", "L-", "#5", "*/", "DTSTART:", "EXDATE:"),
    *("\0", "\x7f", "\xe9", "\uff11", "\u202e", "\U0001f600", "\ud800", "%s", "{}", "\\", "'", '"'),
)


@dataclass
class Tally:
    """How many texts of each form were accepted and refused, and which took longest."""

    counts: Counter[str] = field(default_factory=Counter[str])
    bytes: int = 0
    slowest_s: float = 0
    slowest: str = ""

    def took(self, seconds: float, text: str) -> None:
        self.bytes += len(text.encode("utf-8", "surrogatepass"))
        if seconds > self.slowest_s:
            self.slowest_s, self.slowest = seconds, text


def try_text(form: str, text: str, tally: Tally, zone: str = "UTC") -> None:
    """One text as one form; raises AssertionError where it is not treated as it should be."""
    begin = time.thread_time()
    schedule, refusal = _compiled(form, text, zone)
    if schedule is not None:
        _works(schedule)
    assert refusal.isprintable(), (form, text[:200], refusal[:200])
    assert schedule or 10 < len(refusal) < 2000, (form, text[:200], refusal[:200])
    seconds = time.thread_time() - begin
    if seconds > LIMIT_S:
        # Something else may have taken the processor's caches: it counts what is so every time.
        begin = time.thread_time()
        schedule, _ = _compiled(form, text, zone)
        if schedule is not None:
            _works(schedule)
        seconds = min(seconds, time.thread_time() - begin)
    assert seconds <= LIMIT_S, (form, zone, text[:400], seconds)
    expected = _GRAMMARS.get(form)
    if expected is not None:
        assert expected(text) == (schedule is not None), (form, text[:400])
    tally.counts[f"{form} {'refused' if schedule is None else 'accepted'}"] += 1
    tally.took(seconds, text)


def _compiled(form: str, text: str, zone: str) -> tuple[Schedule | None, str]:
    """The schedule, or the text of the refusal."""
    try:
        return compile_schedule(_spec(form, text, zone), anchor_ms=_NOW_MS), ""
    except ScheduleError as error:
        return None, error.message


def _spec(form: str, text: str, zone: str) -> ScheduleSpec:
    settings: dict[str, Any] = {"time_zone": zone, form: text}
    if form in ("time_zone", "excludes"):
        settings = {"cron": "0 0 * * *", form: text if form == "time_zone" else (text,)}
    return ScheduleSpec(**settings)


def _works(schedule: Schedule) -> None:
    seen = preview(schedule, _NOW_MS, 3)
    assert all(one < other for one, other in zip((_NOW_MS, *seen.times_ms), seen.times_ms))  # noqa: B905
    assert seen.times_ms or seen.notes
    for instant in seen.times_ms:
        assert schedule.next_after(instant - 1) == instant
    words = schedule.describe()
    assert words.strip()
    assert words.isprintable()


def _number(low: int, high: int) -> str:
    """Any of the numbers, in up to four digits."""
    texts = (f"0{{0,{4 - len(str(number))}}}{number}" for number in range(low, high + 1))
    return f"(?:{'|'.join(texts)})"


def _item(value: str, size: int) -> str:
    step = _number(1, size)
    return rf"(?:[*?](?:/{step})?|{value}(?:-{value})?(?:/{step})?)"


_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WEEKDAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"


def _field(*items: str) -> str:
    one = f"(?:{'|'.join(items)})"
    return f"{one}(?:,{one})*"


_MINUTE = _field(_item(f"(?:{_number(0, 59)})", 60))
_HOUR = _field(_item(_number(0, 23), 24))
_DAY_VALUE = _number(1, 31)
_DAY = _field(
    _item(_DAY_VALUE, 31), r"LW?", r"L-(?:[12]?[0-9]|0[0-9]|30)W?", r"(?:0?[1-9]|[12][0-9]|3[01])W"
)
_MONTH = _field(_item(f"(?:{_number(1, 12)}|{_MONTHS})", 12))
_WEEKDAY_VALUE = f"(?:{_number(0, 7)}|{_WEEKDAYS})"
_WEEKDAY = _field(_item(_WEEKDAY_VALUE, 7), f"{_WEEKDAY_VALUE}#[1-5]", f"{_WEEKDAY_VALUE}L")
_BLANK = r"[ \t]+"
_CRON = re.compile(
    rf"[ \t]*(?:(?:{_MINUTE}{_BLANK})?"
    + _BLANK.join((_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY))
    + r"|@(?:YEARLY|ANNUALLY|MONTHLY|WEEKLY|DAILY|MIDNIGHT|HOURLY))[ \t]*"
)


def cron_is_good(text: str) -> bool:
    """Whether a cron expression is to be accepted, by a grammar of its own."""
    if not text.isascii() or len(text) > 512:
        return False
    return _CRON.fullmatch(text.upper()) is not None


_DATE = r"(?:\d{4}-\d\d-\d\d|\d{8})"
_PERIOD = r"P(?!$)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=[\d])(?:[\d.,]+H)?(?:[\d.,]+M)?(?:[\d.,]+S)?)?"
_MOMENT = rf"{_DATE}(?:T\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_INTERVAL = re.compile(
    rf" *R\d*/(?:{_PERIOD}|{_MOMENT}/{_PERIOD}|{_MOMENT}/{_MOMENT}|{_PERIOD}/{_MOMENT}) *", re.ASCII
)


def interval_may_be_good(text: str) -> bool:
    """Whether an interval has the shape of one; its numbers may still be impossible."""
    return text.isascii() and _INTERVAL.fullmatch(text.upper()) is not None


#: For cron the grammar says all; of an interval only the shape is held against it.
_GRAMMARS: dict[str, Callable[[str], bool]] = {"cron": cron_is_good}

SEEDS = {
    "cron": CRON,
    "iso8601": INTERVALS,
    "rrule": RULES,
    "time_zone": ZONE_NAMES,
    "excludes": EXCLUDES,
}


def damaged(random: Random, seeds: tuple[str, ...]) -> str:
    """A good text after a few accidents."""
    text = random.choice(seeds)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 6))):
        place = random.randint(0, len(text))
        piece = random.choice(_PIECES)
        match random.randint(0, 6):
            case 0:
                text = text[:place] + piece + text[place:]
            case 1:
                text = text[:place] + text[place + 1 :]
            case 2:
                text = text[:place] + piece + text[place + 1 :]
            case 3:
                other = random.choice(seeds)
                text = text[:place] + other[random.randint(0, len(other)) :]
            case 4:
                text = (
                    text[:place]
                    + str(random.choice((0, 1, 7, 24, 53, 60, 400, 10**9)))
                    + text[place:]
                )
            case 5:
                words = re.split(r"([ ,;/\n])", text)
                random.shuffle(words)
                text = "".join(words)
            case _:
                text = text[:place] + text[place : place + random.randint(1, 9)] * 2 + text[place:]
    return text


def cases(seed: int, total: int) -> Iterator[tuple[str, str, str]]:
    """(Form, text, zone) until so many bytes of text were given."""
    random = Random(seed)
    given = 0
    while given < total:
        form = random.choices(tuple(SEEDS), (8, 5, 8, 1, 1))[0]
        if random.random() < 0.03:
            size = random.choices((5, 50, 200, 9000), (50, 40, 9, 1))[0]
            text = "".join(random.choice(_PIECES) for _ in range(size))
        else:
            text = damaged(random, SEEDS[form])
        given += len(text.encode("utf-8", "surrogatepass"))
        yield form, text, random.choice(_ZONES)


def run(seed: int, total: int) -> Tally:
    """The own generator."""
    tally = Tally()
    for form, text, zone in cases(seed, total):
        try_text(form, text, tally, zone)
        if form == "iso8601":
            _check_interval(text, zone)
    return tally


def _check_interval(text: str, zone: str) -> None:
    try:
        compile_schedule(ScheduleSpec(iso8601=text, time_zone=zone), anchor_ms=_NOW_MS)
    except ScheduleError:
        return
    assert interval_may_be_good(text), text[:400]


def _with_atheris(total: int) -> None:
    import atheris  # pyright: ignore

    with atheris.instrument_imports(include=["tickwheel.server.schedule"]):  # pyright: ignore
        for name in [name for name in sys.modules if name.startswith("tickwheel.server.schedule")]:
            del sys.modules[name]
        import tickwheel.server.schedule as fresh

    globals().update(
        {
            name: getattr(fresh, name)
            for name in ("ScheduleError", "ScheduleSpec", "compile_schedule", "preview")
        }
    )
    tally = Tally()
    # A refused zone is compared with all names there are: too slow to be led by.
    forms = ("cron", "iso8601", "rrule")

    def one(data: bytes) -> None:
        if len(data) < 3:
            return
        text = data[2:].decode("utf-8", "replace")
        try_text(forms[data[0] % len(forms)], text, tally, _ZONES[data[1] % len(_ZONES)])
        if tally.bytes >= total:
            _print(tally)
            sys.stdout.flush()
            # libFuzzer goes on for ever; nothing is left to clean up.
            os._exit(0)

    with tempfile.TemporaryDirectory() as folder:
        for number, form in enumerate(forms):
            for place, text in enumerate(SEEDS[form]):
                seed = Path(folder) / f"{form}-{place}"
                seed.write_bytes(bytes([number, place]) + text.encode())
        options = ["-max_len=160", "-len_control=0", "-timeout=10", folder]
        atheris.Setup([sys.argv[0], *options], one)
        atheris.Fuzz()


def _print(tally: Tally) -> None:
    print(f"{tally.bytes:,} bytes in {tally.counts.total():,} texts")  # noqa: T201
    for name, count in sorted(tally.counts.items()):
        print(f"  {name:20} {count:>9,}")  # noqa: T201
    print(f"slowest: {tally.slowest_s * 1000:.1f} ms for {tally.slowest!a}")  # noqa: T201


def main() -> None:
    """Runs as long as it is told to, and says what it has seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true")
    arguments = parser.parse_args()
    if arguments.atheris:
        _with_atheris(arguments.bytes)
    else:
        _print(run(arguments.seed, arguments.bytes))


if __name__ == "__main__":
    main()
