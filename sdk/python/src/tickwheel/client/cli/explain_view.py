"""Explanations as people read them: a line each, and one for many that say the same."""

from rich.text import Text

from tickwheel.client.cli.output import console, instant, text
from tickwheel.v1 import job_service_pb2
from tickwheel.v1.job_service_pb2 import (
    OCCURRENCE_OUTCOME_CANCELLED,
    OCCURRENCE_OUTCOME_FAILED,
    OCCURRENCE_OUTCOME_MISSING,
    OCCURRENCE_OUTCOME_NOT_SCHEDULED,
    OCCURRENCE_OUTCOME_SKIPPED,
    OCCURRENCE_OUTCOME_SUCCEEDED,
    OCCURRENCE_OUTCOME_UNKNOWN,
)

_STYLES = {
    OCCURRENCE_OUTCOME_SUCCEEDED: "green",
    OCCURRENCE_OUTCOME_FAILED: "red",
    OCCURRENCE_OUTCOME_MISSING: "red",
    OCCURRENCE_OUTCOME_CANCELLED: "yellow",
    OCCURRENCE_OUTCOME_SKIPPED: "yellow",
    OCCURRENCE_OUTCOME_NOT_SCHEDULED: "dim",
    OCCURRENCE_OUTCOME_UNKNOWN: "dim",
}
_OUTCOME_WIDTH = len("NOT SCHEDULED")
_REASON_WIDTH = len("CATCH UP WINDOW")


class Lines:
    """Prints occurrences in order; those that did not run for one and the same reason together."""

    def __init__(self) -> None:
        self._held: list[job_service_pb2.Occurrence] = []

    def add(self, occurrence: job_service_pb2.Occurrence) -> None:
        """Takes the next one."""
        if self._held and not _says_the_same(self._held[-1], occurrence):
            self.end()
        self._held.append(occurrence)

    def end(self) -> None:
        """Prints what is still held back."""
        held, self._held = self._held, []
        if len(held) <= 2:
            for occurrence in held:
                _print(occurrence)
            return
        _print(held[0])
        last = instant(held[-1].schedule_time)
        console().print(text(f"  … the same for {len(held) - 1} more, up to {last}", "dim"))


def _says_the_same(one: job_service_pb2.Occurrence, other: job_service_pb2.Occurrence) -> bool:
    return (one.outcome, one.reason, one.text, one.run) == (
        other.outcome,
        other.reason,
        other.text,
        other.run,
    )


def _print(occurrence: job_service_pb2.Occurrence) -> None:
    outcome = _words(job_service_pb2.OccurrenceOutcome.Name(occurrence.outcome))
    reason = _words(job_service_pb2.OccurrenceReason.Name(occurrence.reason))
    cells = (
        text(instant(occurrence.schedule_time)),
        text(outcome.ljust(_OUTCOME_WIDTH), _STYLES.get(occurrence.outcome, "")),
        text(reason.ljust(_REASON_WIDTH)),
        text(occurrence.text),
    )
    console().print(Text("  ").join(cells), soft_wrap=True)


def _words(name: str) -> str:
    for prefix in ("OCCURRENCE_OUTCOME_", "OCCURRENCE_REASON_"):
        name = name.removeprefix(prefix)
    return "" if name == "UNSPECIFIED" else name.replace("_", " ")
