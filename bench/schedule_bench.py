"""How fast schedules are: read, asked for one occurrence, for a thousand, for what never comes.

    python bench/schedule_bench.py [--check]

Times are CPU time of this thread, so that what else the machine does counts little; each is the
median of many, or for whole thousands the best of a few. With --check the limits are held and the
exit code is 1 where one is not.
"""

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from tickwheel.server.schedule import Schedule, ScheduleSpec, compile_schedule, preview
from tickwheel.server.schedule.crontimes import cron_times
from tickwheel.server.schedule.zone import ZONES

_NOW_MS = 1_795_435_200_000  # 2026-11-23T12:00:00Z
_2100_MS = 4_102_444_800_000
#: Microseconds for the next occurrence of a usual cron expression, milliseconds for the others.
_NEXT_US, _THOUSAND_MS, _SPARSE_MS = 15, 20, 5
#: How much may be kept between a thousand occurrences and a hundred thousand: a zone's table of 400
#: years is made once, for all its schedules, when the first of them looks beyond 2100.
_GROWTH_KIB = 256

S = ScheduleSpec
BERLIN = S(time_zone="Europe/Berlin")

USUAL = {
    "*/5 * * * *": S(cron="*/5 * * * *"),
    "30 2 * * * Berlin": replace(BERLIN, cron="30 2 * * *"),
    "0 9 * * MON-FRI New York": S(cron="0 9 * * MON-FRI", time_zone="America/New_York"),
    "0 0 1 * *": S(cron="0 0 1 * *"),
    "15 10 L * * Sydney": S(cron="15 10 L * *", time_zone="Australia/Sydney"),
    "0 0 1,15 * FRI#2 Berlin": replace(BERLIN, cron="0 0 1,15 * FRI#2"),
    "*/10 * * * * *": S(cron="*/10 * * * * *"),
}
FORMS = {
    "every 90 s": S(every_ns=90 * 10**9),
    "R/PT1H": S(iso8601="R/PT1H"),
    "R/2026-01-31T12:00/P1M Berlin": replace(BERLIN, iso8601="R/2026-01-31T12:00:00/P1M"),
    "R/2026-01-31T12:00/P1MT1H Berlin": replace(BERLIN, iso8601="R/2026-01-31T12:00:00/P1MT1H"),
    "R2000/P1D/2030 Berlin": replace(BERLIN, iso8601="R2000/P1D/2030-01-01T12:00:00"),
    "FREQ=DAILY;COUNT=5000": replace(BERLIN, rrule="FREQ=DAILY;COUNT=5000"),
    "FREQ=DAILY;BYHOUR=9,17;COUNT=5000": replace(BERLIN, rrule="FREQ=DAILY;BYHOUR=9,17;COUNT=5000"),
    "FREQ=MONTHLY;BYDAY=-1FR": replace(BERLIN, rrule="FREQ=MONTHLY;BYDAY=-1FR"),
    "FREQ=MONTHLY;BYDAY=MO,…,FR;BYSETPOS=-1": replace(
        BERLIN, rrule="FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"
    ),
    "FREQ=MINUTELY;INTERVAL=7;BYDAY=MO": replace(BERLIN, rrule="FREQ=MINUTELY;INTERVAL=7;BYDAY=MO"),
    "FREQ=SECONDLY;INTERVAL=61;BYMONTHDAY=…": replace(
        BERLIN,
        rrule="FREQ=SECONDLY;COUNT=10000;INTERVAL=61;BYMONTHDAY=-29,-12,8,9,27;BYSECOND=26",
    ),
    "FREQ=SECONDLY;INTERVAL=97;…;BYSETPOS=1 Lord Howe": S(
        rrule="FREQ=SECONDLY;INTERVAL=97;BYMINUTE=15,5;BYSECOND=59,56;BYSETPOS=1",
        time_zone="Australia/Lord_Howe",
    ),
    "FREQ=DAILY;INTERVAL=3;BYMONTHDAY=2,-19": replace(
        BERLIN, rrule="FREQ=DAILY;INTERVAL=3;BYMONTHDAY=2,-19"
    ),
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO": replace(BERLIN, rrule="FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"),
    "* * * * * * up to 0.5 s later": S(cron="* * * * * *", jitter_ms=500),
    "anyOf of 5": replace(
        BERLIN,
        any_of=tuple(S(cron=f"0 {hour} * * *") for hour in (3, 9, 12, 17, 23)),
    ),
    "*/15 but 365 dates": S(
        cron="*/15 * * * *",
        excludes=tuple(str(date(2027, 1, 1) + timedelta(days=day)) for day in range(365)),
    ),
}
SPARSE = {
    "0 0 29 2 * until 2100": S(cron="0 0 29 2 *", end_ms=_2100_MS),
    "0 0 1 1 * but 50 of them": S(
        cron="0 0 1 1 *", excludes=tuple(f"{year}-01-01" for year in range(2027, 2077))
    ),
    "0 0 * 2 MON#5": S(cron="0 0 * 2 MON#5"),
    "0 0 30 2 *": S(cron="0 0 30 2 *"),
    "0 0 L-30 2 * Berlin": replace(BERLIN, cron="0 0 L-30 2 *"),
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30": S(rrule="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=5": replace(BERLIN, rrule="FREQ=HOURLY;INTERVAL=24;BYHOUR=5"),
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6": S(rrule="FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6"),
}


@dataclass
class Report:
    """What was found, and whether it is within the limits."""

    failed: bool = False

    def line(self, name: str, figures: list[tuple[str, float, str, float | None]]) -> None:
        """Prints a line; each figure has a name, a value, a unit and perhaps a limit."""
        parts: list[str] = []
        for label, value, unit, limit in figures:
            over = limit is not None and value > limit
            self.failed |= over
            parts.append(f"{label} {value:8.2f} {unit}{' !' if over else '  '}")
        print(f"{name:50}{'  '.join(parts)}")


def cpu_s(action: Callable[[], object]) -> float:
    """Seconds of CPU that one call takes."""
    begin = time.thread_time_ns()
    action()
    return (time.thread_time_ns() - begin) / 1e9


def median_us(action: Callable[[], object], rounds: int = 400, each: int = 20) -> float:
    """The median over rounds of a few calls each: one alone is hardly longer than the clock's."""

    def several() -> None:
        for _ in range(each):
            action()

    return statistics.median(cpu_s(several) for _ in range(rounds)) / each * 1e6


def walk(schedule: Schedule, count: int) -> int:
    """Asks for so many occurrences in order; how many there were."""
    at: int | None = _NOW_MS
    for number in range(count):
        at = schedule.next_after(at)
        if at is None:
            return number
    return count


def compiled(spec: ScheduleSpec) -> Schedule:
    """Without what earlier compilations have left in caches."""
    cron_times.cache_clear()
    return compile_schedule(spec, anchor_ms=_NOW_MS)


def usual(report: Report, name: str, spec: ScheduleSpec, limit_us: float | None) -> None:
    """One form: compiled, one occurrence, a thousand of them."""
    parse = median_us(lambda: compiled(spec), 50, 1)
    schedule = compiled(spec)
    one = median_us(lambda: schedule.next_after(_NOW_MS))
    thousand = min(cpu_s(lambda: walk(compiled(spec), 1000)) for _ in range(7)) * 1e3
    report.line(
        name,
        [
            ("parse", parse, "us", None),
            ("next", one, "us", limit_us),
            ("1,000 of them", thousand, "ms", _THOUSAND_MS),
        ],
    )


def sparse(report: Report, name: str, spec: ScheduleSpec) -> None:
    """One that is seldom or never: from its text to the answer, and to a whole preview."""
    first = min(cpu_s(lambda: compiled(spec).next_after(_NOW_MS)) for _ in range(7)) * 1e3
    seen = min(cpu_s(lambda: preview(compiled(spec), _NOW_MS, 10)) for _ in range(7)) * 1e3
    report.line(
        name, [("parse and next", first, "ms", _SPARSE_MS), ("preview of 10", seen, "ms", None)]
    )


def growth(report: Report, name: str, spec: ScheduleSpec) -> None:
    """Memory between a thousand occurrences and as many more as there are up to 100,000."""
    schedule = compiled(spec)
    walk(schedule, 1000)
    tracemalloc.start()
    begin, _ = tracemalloc.get_traced_memory()
    number = walk(schedule, 100_000)
    end, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    report.line(
        f"{name} ({number:,})",
        [
            ("kept", (end - begin) / 1024, "KiB", _GROWTH_KIB),
            ("at most", (peak - begin) / 1024, "KiB", 2 * _GROWTH_KIB),
        ],
    )


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where a limit is not held")
    check = parser.parse_args().check
    report = Report()
    print(f"Python {sys.version.split()[0]}, time-zone data {ZONES.version}\n")
    print(f"usual cron expressions: next <= {_NEXT_US} us, 1,000 <= {_THOUSAND_MS} ms")
    for name, spec in USUAL.items():
        usual(report, name, spec, _NEXT_US)
    print(f"\nother forms: 1,000 <= {_THOUSAND_MS} ms")
    for name, spec in FORMS.items():
        usual(report, name, spec, None)
    print(f"\nseldom or never: <= {_SPARSE_MS} ms")
    for name, spec in SPARSE.items():
        sparse(report, name, spec)
    print(f"\nmemory from the 1,000th occurrence on: <= {_GROWTH_KIB} KiB kept")
    for name, spec in {**USUAL, **FORMS}.items():
        growth(report, name, spec)
    return int(report.failed and check)


if __name__ == "__main__":
    sys.exit(main())
