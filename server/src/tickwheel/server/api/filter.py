"""Filters of lists: terms joined by AND (a subset of AIP-160).

A term is a field, an operator and a value, which is quoted or one bare word. What may be filtered
on depends on the list; anything else is refused with its position and with what is allowed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from google.protobuf import timestamp_pb2

from tickwheel.server.api.errors import invalid
from tickwheel.server.convert.instants import floor_ms, timestamp_ms
from tickwheel.server.domain.job import Job, JobState
from tickwheel.server.domain.run import Run, RunState
from tickwheel.v1 import errors_pb2

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<operator><=|>=|!=|[=<>:])
      | (?P<word>[^\s"'=<>!:()]+(?::[^\s"'=<>!:()]+)*)
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")
_COMPARISONS = ("<", "<=", ">", ">=", "=")

JOB_FIELDS = 'state = ACTIVE, labels.key = "text", target.topic = "text", job_id : "text"'
RUN_FIELDS = 'state = FAILED, schedule_time >= "2026-11-23T00:00:00Z", due_time < "…"'


@dataclass(frozen=True, slots=True)
class Term:
    """One condition; `at` is where it stands in the text, from 1."""

    field: str
    operator: str
    value: str
    at: int


@dataclass(frozen=True, slots=True)
class Span:
    """Instants from `start_ms` (inclusive) to `end_ms` (exclusive)."""

    start_ms: int = -(1 << 60)
    end_ms: int = 1 << 60

    def __contains__(self, instant_ms: int) -> bool:
        return self.start_ms <= instant_ms < self.end_ms

    def narrowed(self, operator: str, instant_ms: int) -> "Span":
        """What remains of it under a comparison with an instant."""
        start, end = self.start_ms, self.end_ms
        if operator in (">", ">=", "="):
            start = max(start, instant_ms + (operator == ">"))
        if operator in ("<", "<=", "="):
            end = min(end, instant_ms + (operator != "<"))
        return Span(start, end)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows."""

    tests: tuple[Callable[[Job], bool], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tests)

    def matches(self, job: Job) -> bool:
        """Whether all terms hold."""
        return all(test(job) for test in self.tests)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list or a watch shows."""

    states: frozenset[RunState] | None = None
    scheduled: Span = Span()
    due: Span = Span()

    def __bool__(self) -> bool:
        return self != _ALL_RUNS

    def matches(self, run: Run) -> bool:
        """Whether all terms hold."""
        return (
            (self.states is None or run.state in self.states)
            and run.schedule_ms in self.scheduled
            and run.due_ms in self.due
        )


_ALL_RUNS = RunFilter()


def job_filter(text: str) -> JobFilter:
    """Reads the filter of ListJobs.

    Raises:
        InvalidInput: FILTER_INVALID, with the position.
    """
    return JobFilter(tuple(_job_test(term) for term in _terms(text, JOB_FIELDS)))


def run_filter(text: str) -> RunFilter:
    """Reads the filter of ListRuns and WatchRuns.

    Raises:
        InvalidInput: FILTER_INVALID, with the position.
    """
    found = RunFilter()
    for term in _terms(text, RUN_FIELDS):
        if term.field == "state":
            _allow(term, ("=",))
            states = frozenset({RunState(_state(term, "RUN_STATE_", RunState.__members__))})
            if found.states is not None:
                states &= found.states
            found = RunFilter(states, found.scheduled, found.due)
        elif term.field == "schedule_time":
            span = found.scheduled.narrowed(term.operator, _instant(term))
            found = RunFilter(found.states, span, found.due)
        elif term.field == "due_time":
            span = found.due.narrowed(term.operator, _instant(term))
            found = RunFilter(found.states, found.scheduled, span)
        else:
            _refuse(term.at, f"runs have no filter on {term.field!r}; there are: {RUN_FIELDS}")
    return found


def _job_test(term: Term) -> Callable[[Job], bool]:
    value = term.value
    if term.field == "state":
        _allow(term, ("=",))
        state = JobState(_state(term, "JOB_STATE_", JobState.__members__))
        return lambda job: job.state is state
    if term.field == "target.topic":
        _allow(term, ("=",))
        return lambda job: job.spec.target.topic == value
    if term.field == "job_id":
        _allow(term, (":",))
        return lambda job: value in job.job_id
    key = term.field.removeprefix("labels.")
    if key and key != term.field:
        _allow(term, ("=",))
        return lambda job: key in job.spec.labels and job.spec.labels[key] == value
    _refuse(term.at, f"jobs have no filter on {term.field!r}; there are: {JOB_FIELDS}")


def _terms(text: str, allowed: str) -> list[Term]:
    tokens = [
        (str(match.lastgroup), match.group(match.lastgroup), match.start(match.lastgroup) + 1)
        for match in _TOKEN.finditer(text)
        if match.lastgroup is not None
    ]
    terms: list[Term] = []
    while tokens:
        if terms:
            _, joint, at = tokens.pop(0)
            if joint != "AND":
                _refuse(at, f"expected AND, found {joint!r}")
        terms.append(_term(tokens, len(text) + 1, allowed))
    return terms


def _term(tokens: list[tuple[str, str, int]], end: int, allowed: str) -> Term:
    kind, field, at = tokens.pop(0) if tokens else ("end", "the end", end)
    if kind == "word" and field.endswith(".") and tokens and tokens[0][0] == "string":
        # labels."a key": the key is quoted.
        field += _unquoted(tokens.pop(0)[1])
    elif kind == "word" and ":" in field:
        # job_id:text without blanks: the colon is the operator.
        field, value = field.split(":", 1)
        return Term(field, ":", value, at)
    elif kind != "word":
        _refuse(at, f"expected a field, found {field}; there are: {allowed}")
    kind, operator, place = tokens.pop(0) if tokens else ("end", "the end", end)
    if kind != "operator":
        _refuse(place, f"expected an operator after {field}, found {operator}")
    kind, value, place = tokens.pop(0) if tokens else ("end", "the end", end)
    if kind not in ("word", "string"):
        _refuse(place, f"expected a value after {field} {operator}, found {value}")
    return Term(field, operator, _unquoted(value) if kind == "string" else value, at)


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(r"\1", text[1:-1])


def _allow(term: Term, operators: tuple[str, ...]) -> None:
    if term.operator not in operators:
        _refuse(
            term.at, f"{term.field} can be used with {' '.join(operators)}, not {term.operator}"
        )


def _state(term: Term, prefix: str, states: Mapping[str, int]) -> int:
    name = term.value.removeprefix(prefix)
    if name not in states:
        _refuse(term.at, f"there is no state {term.value}; there are: {', '.join(states)}")
    return states[name]


def _instant(term: Term) -> int:
    _allow(term, _COMPARISONS)
    instant = timestamp_pb2.Timestamp()
    try:
        instant.FromJsonString(term.value)
    except ValueError:
        _refuse(term.at, f"{term.value!r} is not an instant such as 2026-11-23T12:00:00Z")
    # Times are kept in whole milliseconds: what is finer lies between two of them.
    return floor_ms(instant) if term.operator in (">", "<=") else timestamp_ms(instant)


def _refuse(at: int, why: str) -> NoReturn:
    raise invalid(
        errors_pb2.FILTER_INVALID, "filter", f"at character {at}: {why}", position=str(at)
    )
