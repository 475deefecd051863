"""What is right, the slow way: every minute is looked at, with the standard library's zones."""

import os
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from tickwheel.server.schedule import DstGap, DstOverlap, ScheduleSpec, compile_schedule
from tickwheel.server.schedule.zone import ZONES

MINUTE = timedelta(minutes=1)

# The standard library is to read the same release of the data as we do.
zoneinfo.reset_tzpath(to=[])


def ms(text: str) -> int:
    """Unix milliseconds of an ISO text with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def iso(instant_ms: int) -> str:
    """Milliseconds as ISO text in UTC, without what is zero."""
    text = datetime.fromtimestamp(instant_ms / 1000, UTC).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def first(
    spec: ScheduleSpec, count: int, after: str, anchor: str = "2026-01-01T00:00:00Z"
) -> list[str]:
    """The next few occurrences, as text."""
    schedule = compile_schedule(spec, anchor_ms=ms(anchor))
    found: list[str] = []
    instant: int | None = ms(after)
    for _ in range(count):
        instant = schedule.next_after(instant)
        if instant is None:
            break
        found.append(iso(instant))
    return found


@dataclass(frozen=True)
class Expression:
    """A cron expression as the sets it stands for, so that nothing of ours has to read it."""

    minutes: frozenset[int]
    #: None is `*`.
    hours: frozenset[int] | None
    #: 0 is Sunday; None is `*`.
    weekdays: frozenset[int] | None
    days: frozenset[int] | None

    @property
    def text(self) -> str:
        fields = (self.minutes, self.hours, self.days, None, self.weekdays)
        return " ".join(
            "*" if values is None else ",".join(map(str, sorted(values))) for values in fields
        )

    def has(self, wall: datetime) -> bool:
        if wall.minute not in self.minutes or wall.second:
            return False
        if self.hours is not None and wall.hour not in self.hours:
            return False
        if self.days is None and self.weekdays is None:
            return True
        by_day = self.days is not None and wall.day in self.days
        return by_day or (self.weekdays is not None and wall.isoweekday() % 7 in self.weekdays)


def random_expression(random: Random) -> Expression:
    def some(values: range, most: int) -> frozenset[int]:
        return frozenset(random.sample(values, random.randint(1, most)))

    hours = None if random.random() < 0.25 else some(range(24), random.choice((1, 2, 4, 12)))
    if hours and random.random() < 0.5:
        # Where changes of the clock are.
        hours |= some(range(4), 3)
    return Expression(
        some(range(60), random.choice((1, 1, 2, 6))),
        hours,
        some(range(7), 4) if random.random() < 0.2 else None,
        some(range(1, 32), 10) if random.random() < 0.2 else None,
    )


@dataclass(frozen=True)
class Minutes:
    """All minutes of a range of time in one zone, as (instant in Unix seconds, wall clock)."""

    zone: zoneinfo.ZoneInfo
    minutes: tuple[tuple[int, datetime], ...]

    @classmethod
    def around(cls, zone_name: str, first_s: int, last_s: int) -> "Minutes":
        zone = zoneinfo.ZoneInfo(zone_name)
        begin = first_s // 60 * 60
        return cls(
            zone,
            tuple(
                (instant, datetime.fromtimestamp(instant, zone))
                for instant in range(begin, last_s + 1, 60)
            ),
        )

    def matches(self, expression: Expression) -> list["Match"]:
        """All minutes that the expression names, those too that are left out or come twice."""
        found: list[Match] = []
        before = self.minutes[0][1].replace(tzinfo=None, fold=0) - MINUTE
        for instant, wall in self.minutes:
            naive = wall.replace(tzinfo=None, fold=0)
            if naive - before > MINUTE:
                found += [
                    Match(instant, instant + index * 60, 0)
                    for index, left_out in enumerate(_between(before, naive))
                    if expression.has(left_out)
                ]
            before = naive
            if expression.has(wall):
                twice = wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()
                found.append(Match(instant, None, wall.fold + 1 if twice else 0))
        return found


@dataclass(frozen=True)
class Match:
    """A minute that an expression names."""

    instant: int
    #: For a minute that the clock leaves out, its instant under the offset before; `instant` is
    #: then the first after the gap.
    same_offset: int | None
    #: Which of two, from 1 on; 0 where there is one.
    which: int

    def instant_under(self, gap: DstGap, overlap: DstOverlap) -> int | None:
        """When it happens under the policies, if it does."""
        if self.same_offset is not None:
            return {DstGap.NEXT_VALID: self.instant, DstGap.SAME_OFFSET: self.same_offset}.get(gap)
        if self.which and overlap is not DstOverlap.BOTH:
            return self.instant if self.which == (overlap is DstOverlap.SECOND) + 1 else None
        return self.instant


def _between(before: datetime, after: datetime) -> Iterator[datetime]:
    """The minutes that the clock left out between two that it showed."""
    left_out = before + MINUTE
    while left_out < after:
        yield left_out
        left_out += MINUTE


def compare(minutes: Minutes, zone_name: str, expression: Expression, policies: int = 9) -> None:
    """Under each of the nine pairs of policies, or as many as asked for."""
    low, high = minutes.minutes[1][0], minutes.minutes[-1][0]
    matches = minutes.matches(expression)
    pairs = [(gap, overlap) for gap in DstGap for overlap in DstOverlap]
    for gap, overlap in pairs[:policies]:
        if expression.hours is None:
            instants = [match.instant for match in matches if match.same_offset is None]
        else:
            under = [match.instant_under(gap, overlap) for match in matches]
            instants = [instant for instant in under if instant is not None]
        expected = sorted({instant * 1000 for instant in instants if low <= instant <= high})
        spec = ScheduleSpec(
            cron=expression.text, time_zone=zone_name, dst_gap=gap, dst_overlap=overlap
        )
        schedule = compile_schedule(spec, anchor_ms=0)
        found = list(schedule.between(low * 1000, high * 1000 + 1))
        assert found == expected, (zone_name, expression.text, gap, overlap)


def transitions(zone_name: str, first: str, last: str) -> list[int]:
    """The instants, in Unix seconds, at which the zone changes its offset."""
    spans = ZONES.zone(zone_name).spans_between(ms(first) // 1000, ms(last) // 1000)
    return [span.start_s for span in spans]


def effort(usual: int) -> int:
    """How many random cases to try: more where TICKWHEEL_TIME_EFFORT is a greater factor than 1."""
    return round(usual * float(os.environ.get("TICKWHEEL_TIME_EFFORT", "1")))
