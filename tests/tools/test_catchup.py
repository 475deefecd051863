"""The judge of the catch-up drill: what is right passes, and whatever is wrong is found."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from catchup.cases import Case, Outage, Outcome, Pause, cases
from catchup.judge import Facts, Told, judge, table

T = 1_800_000_000_000
#: Created at T, stopped at T + 10 s, back at T + 40 s; looked at until T + 50 s.
OUTAGE = Outage(T + 10_000, T + 10_500, T + 40_000, T + 40_400)
#: Of the case below, by their second: those that are too old, and those that are caught up.
OLD, CAUGHT_UP = range(11, 30), range(30, 41)
CASE = Case(name="every", window_ms=10_000)


def ran(second: int, late_ms: int = 1) -> Told:
    at = T + second * 1000
    return Told(f"r{second}", Outcome.RUN, at, at + late_ms, offset=second, last_ms=at)


def skipped(first: int, last: int, reason: Outcome = Outcome.TOO_OLD) -> Told:
    ends = (T + first * 1000, T + last * 1000)
    count = last - first + 1
    return Told(f"r{first}", reason, ends[0], count=count, first_ms=ends[0], last_ms=ends[1])


def facts_of(told: list[Told], case: Case = CASE, pause: Pause | None = None) -> Facts:
    return Facts(
        case=case,
        create_ms=T - 999,
        until_ms=T + 50_000,
        outage=OUTAGE,
        pause=pause,
        told=told,
        records=Counter(one.run_id for one in told if one.outcome is Outcome.RUN),
        is_completed=False,
    )


def right() -> Facts:
    late = [ran(second, 41_000 - second * 1000) for second in CAUGHT_UP]
    before = [ran(second) for second in range(11)]
    after = [ran(second) for second in range(41, 51)]
    return facts_of([*before, skipped(OLD[0], OLD[-1]), *late, *after])


def test_what_is_right() -> None:
    verdict = judge(right())
    assert verdict.wrong == []
    assert len(verdict.fates) == 51
    line = table([verdict])[1]
    assert "11 " in line
    assert "19 CATCH_UP_WINDOW" in line


def told_without(second: int) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, told=[t for t in facts.told if t.run_id != f"r{second}"])


def with_told(*more: Told) -> Callable[[Facts], Facts]:
    def change(facts: Facts) -> Facts:
        names = {told.run_id for told in more}
        return replace(facts, told=[*(t for t in facts.told if t.run_id not in names), *more])

    return change


def with_facts(**changes: object) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, **changes)


def with_records(**more: int) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, records=facts.records + Counter(more))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (told_without(45), "left out"),
        (told_without(11), "left out"),
        (with_told(replace(ran(35), run_id="again")), "twice"),
        (with_told(skipped(11, 30)), "twice"),
        (with_told(skipped(11, 28), skipped(29, 29)), "in two records"),
        (with_told(replace(skipped(11, 29), count=18)), "stands for 18, its range has 19"),
        (with_told(ran(20, 21_000)), "twice"),
        (with_told(skipped(45, 45)), "ought to be run"),
        (with_told(replace(ran(45), publish_ms=T + 44_999)), "was early"),
        (with_told(replace(ran(35), offset=100)), "was published before"),
        (with_told(replace(ran(35), schedule_ms=T + 35_500, run_id="odd")), "of no occurrence"),
        (with_records(r35=1), "has 2 records"),
        (with_records(r20=1), "has a record and was not run"),
        (with_facts(records=Counter[str]()), "has no record"),
        (with_facts(is_completed=True), "is completed"),
        (with_facts(case=replace(CASE, max_runs=51)), "is not completed"),
        (with_facts(case=replace(CASE, max_runs=50)), "of no occurrence"),
        (with_facts(case=replace(CASE, window_ms=None)), "ought to be run"),
        (with_facts(case=replace(CASE, window_ms=0)), "ought to be SKIP_REASON_CATCH_UP_WINDOW"),
    ],
)
def test_what_is_wrong(change: Callable[[Facts], Facts], what: str) -> None:
    assert any(what in one for one in judge(change(right())).wrong)


def test_what_was_paused_is_skipped_for_that_and_not_caught_up() -> None:
    pause = Pause(T + 100, T + 200, T + 45_100, T + 45_200)
    told = [
        ran(0),
        skipped(1, 10, Outcome.PAUSED),
        skipped(11, 45, Outcome.PAUSED),
        *map(ran, range(46, 51)),
    ]
    facts = facts_of(told, Case(name="paused", is_paused=True), pause)
    assert judge(facts).wrong == []
    caught_up = replace(facts, told=[*told[:2], skipped(11, 44, Outcome.PAUSED), *map(ran, [45])])
    assert any("ought to be SKIP_REASON_PAUSED" in one for one in judge(caught_up).wrong)


def test_the_cases_are_of_all_settings() -> None:
    found = cases(T, T + 90_000)
    assert {case.effective_window_ms() for case in found} >= {0, 30_000, 3_600_000, None}
    for case in found:
        job = case.job()
        occurrences = list(case.occurrences(T - 6_000, T + 100_000))
        assert job.schedule.WhichOneof("form") in ("at", "cron", "every")
        assert len(occurrences) <= (case.max_runs or 200)
        assert not case.end_ms or occurrences[-1] < case.end_ms
        assert not set(case.excludes_ms) & set(occurrences)
