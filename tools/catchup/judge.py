"""What has become of a job's occurrences, compared with what ought to. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from catchup.cases import SLACK_MS, Case, Outage, Outcome, Pause

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Told:
    """What Tickwheel tells of one run; it may stand for several skipped occurrences."""

    run_id: str
    outcome: Outcome
    schedule_ms: int
    #: Of a run that was published: when and where.
    publish_ms: int = 0
    partition: int = 0
    offset: int = 0
    #: Of what was skipped: how many, and which are the first and the last.
    count: int = 1
    first_ms: int = 0
    last_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one job."""

    case: Case
    create_ms: int
    #: What is due later is not looked at.
    until_ms: int
    outage: Outage
    pause: Pause | None
    told: Sequence[Told]
    #: By run id how many records of it are on the topic.
    records: Counter[str]
    is_completed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one job, with what it rests on."""

    facts: Facts
    #: By occurrence, what became of it.
    fates: dict[int, Told]
    wrong: list[str]


def judge(facts: Facts) -> Verdict:
    """Compares what was told with what ought to be: each occurrence once, as the settings say."""
    case = facts.case
    expected = list(case.occurrences(facts.create_ms, facts.until_ms))
    fates: dict[int, Told] = {}
    wrong: list[str] = []
    for told in facts.told:
        covered = _covered(told, expected)
        if told.schedule_ms <= facts.until_ms and not covered:
            wrong.append(f"{told.run_id} is of no occurrence")
        if told.count != len(covered) and told.last_ms <= facts.until_ms:
            wrong.append(f"{told.run_id} stands for {told.count}, its range has {len(covered)}")
        wrong += [f"{at} twice: {told.run_id}" for at in covered if at in fates]
        fates.update(dict.fromkeys(covered, told))
    wrong += [f"{at} left out" for at in expected if at not in fates]
    for at in sorted(fates):
        outcome = fates[at].outcome
        allowed = case.allowed(at, facts.outage, facts.pause)
        if outcome not in allowed:
            names = " or ".join(sorted(one.value for one in allowed))
            wrong.append(f"{at} was {outcome.value}, ought to be {names}")
    wrong += _published(facts) + _stretches(facts, expected, fates)
    if case.ends and not facts.is_completed:
        wrong.append("the job is not completed")
    if not case.ends and facts.is_completed:
        wrong.append("the job is completed")
    return Verdict(facts, fates, wrong)


def _covered(told: Told, expected: Sequence[int]) -> list[int]:
    if told.outcome is Outcome.RUN:
        return [told.schedule_ms] if told.schedule_ms in expected else []
    return [at for at in expected if told.first_ms <= at <= told.last_ms]


def _published(facts: Facts) -> list[str]:
    """Never early, in order, and one record for each run and for none else."""
    runs = sorted(
        (told for told in facts.told if told.outcome is Outcome.RUN),
        key=lambda told: told.schedule_ms,
    )
    wrong = [f"{run.run_id} was early" for run in runs if run.publish_ms < run.schedule_ms]
    wrong += [
        f"{after.run_id} was published before {before.run_id}"
        for before, after in pairwise(runs)
        if before.partition != after.partition or before.offset >= after.offset
    ]
    published = {run.run_id for run in runs}
    for run_id, count in facts.records.items():
        if count > 1:
            wrong.append(f"{run_id} has {count} records")
        if run_id not in published:
            wrong.append(f"{run_id} has a record and was not run")
    missing = published - facts.records.keys()
    return wrong + [f"{run_id} has no record" for run_id in sorted(missing)]


def _stretches(facts: Facts, expected: Sequence[int], fates: dict[int, Told]) -> list[str]:
    """Adjacent occurrences that were skipped for one reason share one record.

    What the former process has begun to record is closed; the next one begins its own.
    """
    outage = facts.outage
    return [
        f"{before} and {after} were skipped alike, in two records"
        for before, after in pairwise(at for at in expected if at in fates)
        if fates[before].outcome is fates[after].outcome is not Outcome.RUN
        and fates[before] is not fates[after]
        and not outage.stop_ms - SLACK_MS <= after <= outage.ended_ms + SLACK_MS
    ]


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """For people: a line for each job, and one for whatever is wrong with it."""
    lines = [f"{'job':<22}{'window':>8}  {'on time':<22}  {'caught up':<38}  skipped"]
    for verdict in verdicts:
        case, fates = verdict.facts.case, verdict.fates
        window_ms = case.effective_window_ms()
        ran = [told for told in fates.values() if told.outcome is Outcome.RUN]
        back_ms = verdict.facts.outage.ready_ms
        start_ms = verdict.facts.outage.start_ms
        late = [run for run in ran if run.schedule_ms <= back_ms and run.publish_ms >= start_ms]
        timely = [run.schedule_ms for run in ran if run not in late]
        caught = _span([run.schedule_ms for run in late])
        if late:
            oldest_ms = max(run.publish_ms - run.schedule_ms for run in late)
            caught += f", up to {oldest_ms / 1000:.1f} s late"
        skipped = [
            f"{told.count} {told.outcome.value.removeprefix('SKIP_REASON_')} "
            f"{_clock(told.first_ms)}-{_clock(told.last_ms)}"
            for told in sorted(verdict.facts.told, key=lambda told: told.schedule_ms)
            if told.outcome is not Outcome.RUN
        ]
        window = "any" if window_ms is None else f"{window_ms / 1000:g}s"
        lines.append(
            f"{case.name:<22}{window:>8}  {_span(timely):<22}  {caught:<38}  "
            f"{'; '.join(skipped) or '-'}"
        )
        lines += [f"    WRONG: {what}" for what in verdict.wrong[:_SHOWN]]
        if len(verdict.wrong) > _SHOWN:
            lines.append(f"    and {len(verdict.wrong) - _SHOWN} more")
    return lines


def _span(instants: Sequence[int]) -> str:
    if not instants:
        return "-"
    return f"{len(instants)} {_clock(min(instants))}-{_clock(max(instants))}"


def _clock(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%H:%M:%S")
