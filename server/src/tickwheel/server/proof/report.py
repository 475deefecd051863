"""What an audit says, for programs and for people."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tickwheel.client.cli.output import console, printable, text
from tickwheel.server.audit.findings import Fault, Finding, Tally
from tickwheel.server.proof.notebook import Notebook, Progress
from tickwheel.server.proof.scope import Scope

if TYPE_CHECKING:
    from rich.table import Table

#: What is looked at, in words.
_UNPROVEN: Final = {
    "runs_expired": "jobs whose runs are kept for less than the range goes back",
    "records_expired": "runs whose records the log no longer keeps",
    "published_since": "runs published after the log was read",
    "open": "runs still open, within their time",
    "late_ends": "ends that differ, which a replaced owner may have recorded late",
    "strangers": "records of jobs that the store does not have",
    "others": "records that are not runs of Tickwheel's (and dead letters)",
}
_ROWS: Final = 1_000


class Report:
    """The result of one audit, as far as it has come."""

    def __init__(self, notebook: Notebook, scope: Scope, progress: Progress, log: str) -> None:
        self._notebook = notebook
        self._scope = scope
        self._progress = progress
        self._log = log
        self._counts = notebook.finding_counts()

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self._counts

    def json_lines(self) -> Iterator[str]:
        """A line for each finding, then one with the summary."""
        for finding in self._notebook.findings():
            yield json.dumps({"finding": _as_dict(finding)}, ensure_ascii=False)
        yield json.dumps({"summary": self._summary()})

    def print(self) -> None:
        """Tables on standard output."""
        target = console()
        for table in self._findings():
            target.print(table)
        target.print(self._figures())
        names = self._notebook.foreign_stamps()
        if names:
            target.print(
                text(
                    "Early or late is by the producers' word, not the log's, on "
                    f"{', '.join(names)}: set message.timestamp.type=LogAppendTime.",
                    "yellow",
                )
            )
        if self.is_clean and not self._progress.jobs:
            target.print(text("No job is there to be audited.", "yellow"))
        elif self.is_clean and not (
            self._progress.tally.occurrences or self._progress.tally.manual
        ):
            target.print(text("Nothing was due in the range, and nothing is wrong.", "yellow"))
        elif self.is_clean:
            target.print(text("Nothing is missing, early or doubled.", "green"))
        else:
            total = sum(self._counts.values())
            kinds = ", ".join(f"{count} {name}" for name, count in self._counts.items())
            target.print(text(f"{total} findings: {kinds}.", "red"))

    def _findings(self) -> "Iterator[Table]":
        from rich.table import Table

        def begun() -> Table:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for column in ("FINDING", "JOB", "RUN", "WHAT"):
                table.add_column(column, overflow="fold")
            return table

        table = begun()
        for finding in self._notebook.findings():
            table.add_row(
                text(finding.fault.name, "red"),
                text(finding.subject),
                text(finding.run_id),
                text(finding.text),
            )
            if table.row_count == _ROWS:
                yield table
                table = begun()
        if table.row_count:
            yield table

    def _figures(self) -> "Table":
        from rich.table import Table

        progress, tally = self._progress, self._progress.tally
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        unproven = asdict(progress.unproven)
        latest = f"at most {tally.latest_ms} ms late" if tally.lateness else ""
        rows = [
            ("range", f"{_instant(self._scope.start_ms)} to {_instant(self._scope.end_ms)}"),
            ("log", printable(self._log)),
            ("jobs", f"{progress.jobs}"),
            ("occurrences due", f"{tally.occurrences}"),
            ("runs by hand, retries, backfills", f"{tally.manual}"),
            ("published", f"{tally.published}"),
            ("skipped, with a reason", f"{tally.skipped}"),
            ("failed or cancelled", f"{tally.failed}"),
            ("records there again, same ce_id", f"{tally.duplicates}"),
            ("lateness", ", ".join(part for part in (_quantiles(tally), latest) if part)),
            ("records read", f"{progress.records}"),
            ("comparisons", f"{tally.checks}"),
            *((f"not proven: {_UNPROVEN[name]}", f"{n}") for name, n in unproven.items() if n),
        ]
        for name, value in rows:
            if value:
                table.add_row(text(name), text(value))
        return table

    def _summary(self) -> dict[str, Any]:
        progress, tally = self._progress, self._progress.tally
        return {
            "startTime": _instant(self._scope.start_ms),
            "endTime": _instant(self._scope.end_ms),
            "log": self._log,
            "jobs": progress.jobs,
            "records": progress.records,
            "occurrences": tally.occurrences,
            "triggered": tally.manual,
            "published": tally.published,
            "skipped": tally.skipped,
            "failed": tally.failed,
            "duplicates": tally.duplicates,
            "latestMs": tally.latest_ms,
            "checks": tally.checks,
            "notProven": {_camel(name): n for name, n in asdict(progress.unproven).items()},
            "producersStamps": self._notebook.foreign_stamps(),
            "findings": self._counts,
        }


def _as_dict(finding: Finding) -> dict[str, str]:
    fault: Fault = finding.fault
    return {
        "fault": fault.name,
        "meaning": fault.value,
        "job": finding.subject,
        "run": finding.run_id,
        "text": finding.text,
    }


def _quantiles(tally: Tally) -> str:
    """How late records were, to the next power of two."""
    total = sum(tally.lateness.values())
    if not total:
        return ""
    parts: list[str] = []
    for name, part in (("half", 0.5), ("99 %", 0.99)):
        count = 0
        for bits in sorted(tally.lateness):
            count += tally.lateness[bits]
            if count >= part * total:
                parts.append(f"{name} under {1 << bits} ms")
                break
    return ", ".join(parts)


def _instant(at_ms: int) -> str:
    instant = datetime.fromtimestamp(at_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
