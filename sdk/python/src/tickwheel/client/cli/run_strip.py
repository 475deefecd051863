"""A job's runs as a strip: one mark each, in order of time, so that overlaps and gaps are seen."""

import enum
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tickwheel.v1 import run_pb2

if TYPE_CHECKING:
    from rich.text import Text

MOST_RUNS = 1_000
"""So many of the newest runs are drawn."""

_WIDTH = 60
#: A skipped stretch of more than this is drawn this long.
_MOST_SKIPPED = 10
_FOR_EVER_MS = 1 << 62


class Mark(enum.Enum):
    """What became of a run: the mark, how it is called, and its style."""

    RAN = ("■", "ran", "green")
    WAITED = ("▣", "ran after it had waited for another run", "cyan")
    OVERLAPPED = ("◪", "ran beside another run", "magenta")
    GOING = ("▶", "runs", "bold blue")
    WAITS = ("…", "waits", "blue")
    FAILED = ("✗", "failed", "red")
    CANCELLED = ("○", "cancelled", "yellow")
    SKIPPED = ("·", "skipped", "yellow")


@dataclass(frozen=True, slots=True)
class _Span:
    """From the first publication to the end, Unix milliseconds."""

    begin_ms: int
    end_ms: int


def strip_lines(newest_first: Sequence[run_pb2.Run]) -> "Iterator[Text]":
    """The strip of one job's runs, and a legend with how many there are of each."""
    from rich.text import Text

    runs = list(reversed(newest_first))
    marked = list(zip(runs, marks(runs), strict=True))
    cells = [cell for run, mark in marked for cell in _cells(run, mark)]
    for start in range(0, len(cells), _WIDTH):
        some = cells[start : start + _WIDTH]
        line = Text(f"{some[0][0]}  ", style="dim")
        for _, mark in some:
            line.append(mark.value[0], style=f"not dim {mark.value[2]}")
        yield line
    counts = Counter[Mark]()
    for run, mark in marked:
        counts[mark] += max(run.skipped_count, 1) if mark is Mark.SKIPPED else 1
    legend = Text()
    for mark in Mark:
        if counts[mark]:
            sign, name, style = mark.value
            legend.append("  " if legend else "").append(sign, style=style)
            legend.append(f" {name}: {counts[mark]}")
    yield legend


def marks(runs: Sequence[run_pb2.Run]) -> list[Mark]:
    """What became of each of one job's runs."""
    spans = [_span(run) for run in runs]
    return [_mark(run, index, spans) for index, run in enumerate(runs)]


def _mark(run: run_pb2.Run, index: int, spans: Sequence[_Span | None]) -> Mark:
    match run.state:
        case run_pb2.RUN_STATE_SKIPPED:
            return Mark.SKIPPED
        case run_pb2.RUN_STATE_CANCELLED:
            return Mark.CANCELLED
        case run_pb2.RUN_STATE_FAILED:
            return Mark.FAILED
        case run_pb2.RUN_STATE_PENDING:
            return Mark.WAITS
        case _:
            pass
    own = spans[index]
    others = [span for at, span in enumerate(spans) if span is not None and at != index]
    if own is not None and any(one.begin_ms < own.begin_ms < one.end_ms for one in others):
        return Mark.OVERLAPPED
    if run.state != run_pb2.RUN_STATE_SUCCEEDED:
        return Mark.GOING
    due_ms = run.due_time.ToMilliseconds()
    if own is not None and any(
        one.begin_ms <= due_ms < one.end_ms <= own.begin_ms for one in others
    ):
        return Mark.WAITED
    return Mark.RAN


def _span(run: run_pb2.Run) -> _Span | None:
    """None for a run that was never published."""
    published = [one.publish_time for one in run.attempts if one.HasField("publish_time")]
    if run.HasField("publish_time"):
        published.append(run.publish_time)
    if not published:
        return None
    end_ms = run.end_time.ToMilliseconds() if run.HasField("end_time") else _FOR_EVER_MS
    return _Span(min(instant.ToMilliseconds() for instant in published), end_ms)


def _cells(run: run_pb2.Run, mark: Mark) -> Iterator[tuple[str, Mark]]:
    from tickwheel.client.cli.output import instant

    count = min(max(run.skipped_count, 1), _MOST_SKIPPED) if mark is Mark.SKIPPED else 1
    for _ in range(count):
        yield instant(run.due_time), mark
