"""Agreement with other implementations: answers recorded from five, and four libraries live.

Each is asked under its own policy for changes of the clock. What is left has to have one of the
reasons below, and each reason has to be needed; `docs/time.md` says more about them.
"""

import gc
import json
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import aniso8601
import pytest
from croniter import croniter
from cronsim import CronSim, CronSimError
from dateutil.rrule import rrulestr

from schedule.facts.cases import ZONES as ASKED_ZONES
from schedule.facts.cases import random_cron, random_rule
from schedule.oracle import effort, ms
from tickwheel.server.schedule import DstGap, DstOverlap, ScheduleSpec, compile_schedule
from tickwheel.server.schedule.zone import ZONES

FACTS = Path(__file__).parent / "facts"
_FIRST, _LAST = ms("2000-01-01T00:00:00Z") // 1000, ms("2024-01-01T00:00:00Z") // 1000


class Asked(NamedTuple):
    """A question: an expression or rule, its zone, and the Unix second to look from."""

    text: str
    zone: str
    after: int
    #: Where the instants are that were answered: a change of the clock may be there.
    answers: tuple[int, ...] = ()

    @property
    def fields(self) -> list[str]:
        return self.text.split()

    @property
    def both_days(self) -> bool:
        return self.fields[2] != "*" and self.fields[4] != "*"


Reasons = dict[str, Callable[[Asked], bool]]


@dataclass(frozen=True)
class Other:
    """Another implementation: its policies, and why it may differ all the same."""

    gap: DstGap
    overlap: DstOverlap
    reasons: Reasons


def near_a_change(asked: Asked) -> bool:
    zone = ZONES.zone(asked.zone)
    for instant in (asked.after, *asked.answers):
        span = zone.span_at(instant)
        if span.end_s - instant < 2 * 86_400 or instant - span.start_s < 86_400:
            return True
    return False


def fixed(text: str) -> bool:
    return not text.startswith("*")


def with_hash(asked: Asked) -> bool:
    return "#" in asked.text and asked.both_days


def half_an_hour(asked: Asked) -> bool:
    return asked.zone == "Australia/Lord_Howe" and near_a_change(asked)


CRONER = Other(
    DstGap.NEXT_VALID,
    DstOverlap.FIRST,
    {
        "an hour field of several values skips gaps and takes both of an overlap": lambda asked: (
            "," in asked.fields[1] and near_a_change(asked)
        )
    },
)
CRON_PARSER = Other(DstGap.SAME_OFFSET, DstOverlap.FIRST, {})
ROBFIG = Other(
    DstGap.SKIP,
    DstOverlap.BOTH,
    {
        "loses the hour before midnight after a change of half an hour": lambda asked: (
            asked.zone == "Australia/Lord_Howe" and asked.fields[1] == "23"
        )
    },
)
QUARTZ = Other(
    DstGap.SKIP,
    DstOverlap.SECOND,
    {
        "knows no year after 2099": lambda asked: "#5" in asked.text and " 2 " in asked.text,
        "29W in a February of 28 days is read as 1 March": lambda asked: (
            "29W" in asked.text and asked.fields[4] == "2"
        ),
    },
)
CRONITER = Other(
    DstGap.NEXT_VALID,
    DstOverlap.BOTH,
    {
        "only an hour of exactly `*` follows elapsed time": lambda asked: (
            asked.fields[1].startswith("*/") and near_a_change(asked)
        ),
        "AND-s a `#` with the day of the month": with_hash,
        "takes a weekday field that lists them all for `*`": lambda asked: (
            asked.fields[4] == "0-6" and asked.both_days
        ),
        "knows changes of whole hours only": half_an_hour,
    },
)
CRONSIM = Other(
    DstGap.NEXT_VALID,
    DstOverlap.FIRST,
    {
        "AND-s the day fields where either begins with `*`": lambda asked: (
            asked.both_days and (asked.fields[2][0] == "*" or asked.fields[4][0] == "*")
        ),
        "a minute that begins with `*` follows elapsed time, whatever the hour": lambda asked: (
            asked.fields[0].startswith("*") and near_a_change(asked)
        ),
        "knows changes of whole hours only": half_an_hour,
    },
)

LIB_RECUR: Reasons = {
    "BYMONTHDAY of a year without BYMONTH is taken in the month of DTSTART alone": (
        lambda asked: (
            "YEARLY" in asked.text and "BYMONTHDAY" in asked.text and "BYMONTH=" not in asked.text
        )
    ),
    "counts BYYEARDAY from the end of a year with a day too many": lambda asked: (
        "BYYEARDAY" in asked.text and ",-" in asked.text
    ),
}
DATEUTIL: Reasons = {
    "BYSETPOS counts in the first week from DTSTART on, not from the week's begin": (
        lambda asked: "WEEKLY" in asked.text and "BYSETPOS" in asked.text
    ),
    "has the first days of a year in week 53 where the year before has 52": (
        lambda asked: "BYWEEKNO" in asked.text
    ),
}


def ours(asked: Asked, other: Other, count: int) -> list[int]:
    spec = ScheduleSpec(
        cron=asked.text, time_zone=asked.zone, dst_gap=other.gap, dst_overlap=other.overlap
    )
    return ask(spec, asked.after, count)


def ask(spec: ScheduleSpec, after_s: int, count: int) -> list[int]:
    schedule = compile_schedule(spec, anchor_ms=0)
    found: list[int] = []
    instant: int | None = after_s * 1000
    while len(found) < count:
        instant = schedule.next_after(instant)
        if instant is None:
            break
        found.append(instant // 1000)
    return found


class Tally:
    """Counts agreements and explained disagreements; an unexplained one fails at once."""

    def __init__(self, reasons: Reasons) -> None:
        self.reasons = reasons
        self.counts: Counter[str] = Counter()

    def compare(self, asked: Asked, mine: list[int], theirs: list[int]) -> None:
        if mine == theirs:
            self.counts["agree"] += 1
            return
        met = asked._replace(answers=(*mine, *theirs))
        reason = next((name for name, holds in self.reasons.items() if holds(met)), None)
        if reason is None:
            zone = ZoneInfo(asked.zone)
            walls = [
                [str(datetime.fromtimestamp(instant, zone)) for instant in instants]
                for instants in (mine, theirs)
            ]
            pytest.fail(f"{asked}: ours {walls[0]}, theirs {walls[1]}")
        self.counts[reason] += 1

    def close(self, least: float) -> None:
        assert set(self.reasons) <= set(self.counts), "a reason is not needed any more"
        assert self.counts["agree"] >= least * self.counts.total(), self.counts


@cache
def questions() -> dict[str, list[dict[str, Any]]]:
    return json.loads((FACTS / "questions.json").read_text(encoding="utf-8"))


def answers(name: str) -> list[list[int] | None]:
    return json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))["answers"]


class TestRecorded:
    @pytest.mark.parametrize(
        ("name", "kind", "other"),
        [
            ("croner", "cron", CRONER),
            ("cron-parser", "cron", CRON_PARSER),
            ("robfig", "cron", ROBFIG),
            ("quartz", "quartz", QUARTZ),
        ],
    )
    def test_cron(self, name: str, kind: str, other: Other) -> None:
        tally = Tally(other.reasons)
        for question, theirs in zip(questions()[kind], answers(name), strict=True):
            asked = Asked(question["cron"], question["zone"], question["after"])
            if theirs is not None:
                tally.compare(asked, ours(asked, other, 4), theirs)
        assert tally.counts.total() > 250
        tally.close(least=0.95)

    def test_recurrence_rules(self) -> None:
        tally = Tally(LIB_RECUR)
        for question, theirs in zip(questions()["rrule"], answers("lib-recur"), strict=True):
            if theirs is None:
                continue
            asked = Asked(question["rrule"], "UTC", question["start"])
            tally.compare(asked, rule_of(asked, len(theirs)), theirs)
        assert tally.counts.total() > 300
        tally.close(least=0.95)


def rule_of(asked: Asked, count: int) -> list[int]:
    start = datetime.fromtimestamp(asked.after, UTC)
    text = f"DTSTART:{start:%Y%m%dT%H%M%SZ}\nRRULE:{asked.text}"
    return ask(ScheduleSpec(rrule=text), asked.after - 1, count)


def random_questions(seed: int) -> Iterator[Asked]:
    """Half of them anywhere, half around changes of the clock."""
    random = Random(seed)
    for _ in range(effort(500)):
        zone = random.choice(ASKED_ZONES)
        yield Asked(random_cron(random), zone, random.randrange(_FIRST, _LAST))
        zone = random.choice(ASKED_ZONES[3:])
        changes = [span.start_s for span in ZONES.zone(zone).spans_between(_FIRST, _LAST)]
        if changes:
            minute = random.choice((str(random.randrange(60)), "*/20"))
            hour = random.choice(("0", "1", "2", "3", "0-4", "*", "*/2", "1,2"))
            after = random.choice(changes) - random.randrange(3 * 3600)
            yield Asked(f"{minute} {hour} * * *", zone, after)


def test_croniter() -> None:
    tally = Tally(CRONITER.reasons)
    # All weekdays, but not exactly `*`: seldom drawn.
    listed = Asked("0 0 */27 * 0-6", "UTC", _FIRST)
    for asked in (listed, *random_questions(1)):
        begin = datetime.fromtimestamp(asked.after, ZoneInfo(asked.zone))
        try:
            walk = croniter(asked.text, begin)
            theirs = [int(walk.get_next(float)) for _ in range(6)]
        except ValueError:
            # It knows no `5L`, and finds nothing for a `#` that it AND-s with a day, nor for what
            # there is no date for.
            assert "L" in asked.text or with_hash(asked) or not ours(asked, CRONITER, 1)
            continue
        tally.compare(asked, ours(asked, CRONITER, 6), theirs)
    tally.close(least=0.9)


def test_cronsim() -> None:
    tally = Tally(CRONSIM.reasons)
    for asked in random_questions(2):
        begin = datetime.fromtimestamp(asked.after, ZoneInfo(asked.zone))
        try:
            walk = CronSim(asked.text, begin)
        except CronSimError:
            # It refuses a day that none of the months has, whatever weekdays there are beside it.
            *dates, _ = asked.fields
            assert not ours(asked._replace(text=" ".join([*dates, "*"])), CRONSIM, 1)
            continue
        mine = ours(asked, CRONSIM, 6)
        theirs = [int(instant.timestamp()) for instant in islice(walk, 6)]
        # It looks no further than 50 years ahead.
        tally.compare(asked, mine[: len(theirs)] if 0 < len(theirs) < 6 else mine, theirs)
    tally.close(least=0.8)


class _TooLongError(Exception):
    pass


@contextmanager
def at_most(seconds: float) -> Generator[None]:
    """Dateutil looks through every day up to the year 9999 where a rule hardly ever matches."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGVTALRM, stop)
    # What is raised inside a callback of the collector goes nowhere.
    gc.disable()
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        gc.enable()
        signal.signal(signal.SIGVTALRM, before)


def random_rule_question(random: Random) -> Asked:
    return Asked(random_rule(random), "UTC", random.randrange(_FIRST, _LAST))


def test_dateutil() -> None:
    tally = Tally(DATEUTIL)
    random = Random(3)
    odd = (
        Asked("FREQ=YEARLY;BYWEEKNO=53,9;BYDAY=SU,SA,FR;BYSETPOS=4", "UTC", 1_263_890_000),
        Asked("FREQ=WEEKLY;BYDAY=TU,WE,FR;BYSETPOS=1;COUNT=3", "UTC", 1_689_833_290),
    )
    for asked in (*odd, *(random_rule_question(random) for _ in range(effort(700)))):
        rule, start = asked.text, datetime.fromtimestamp(asked.after, UTC)
        try:
            with at_most(0.02):
                found = list(islice(rrulestr(rule, dtstart=start), 5))
        except (_TooLongError, ValueError):
            continue
        theirs = [int(instant.timestamp()) for instant in found]
        # It ends with the year 9999 and we a day before.
        tally.compare(asked, rule_of(asked, 5)[: len(theirs)], theirs)
    assert tally.counts.total() > 500
    tally.close(least=0.98)


def test_aniso8601() -> None:
    random = Random(4)
    for _ in range(effort(600)):
        begin = datetime.fromtimestamp(random.randrange(_FIRST, _LAST), UTC)
        count = random.randint(1, 9)
        period = random.choice(("PT{}S", "PT{}M", "PT{}H", "P{}D", "P{}W", "P{}DT5H"))
        length = period.format(random.randint(1, 90))
        start = begin.strftime(random.choice(("%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%H%M%SZ")))
        order = f"{start}/{length}" if random.random() < 0.6 else f"{length}/{start}"
        text = f"R{count}/{order}"
        # Its own count is of repetitions after the first.
        repeat = cast("Callable[[str], Iterator[datetime]]", aniso8601.parse_repeating_interval)
        theirs = islice(repeat(text.replace(f"R{count}", "R")), count)
        expected = sorted(int(instant.timestamp()) for instant in theirs)
        assert ask(ScheduleSpec(iso8601=text), -2_000_000_000, 10) == expected, text


def test_the_docs_give_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "time.md").read_text(encoding="utf-8")
    others = (CRONER, CRON_PARSER, ROBFIG, QUARTZ, CRONITER, CRONSIM)
    for reasons in (*(other.reasons for other in others), LIB_RECUR, DATEUTIL):
        for reason in reasons:
            assert reason in page
