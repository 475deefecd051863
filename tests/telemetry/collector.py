"""A real OpenTelemetry Collector, and what it has received."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{port}
exporters:
  lines/spans:
    path: {spans}
  lines/metrics:
    path: {metrics}
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [lines/spans]
    metrics:
      receivers: [otlp]
      exporters: [lines/metrics]
"""


@dataclass(frozen=True, slots=True)
class Span:
    """One span, as the Collector has written it down."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    #: CLIENT and the like.
    kind: str
    #: Trace and span ids.
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    start_ns: int
    end_ns: int
    is_error: bool

    def __str__(self) -> str:
        ms = (self.end_ns - self.start_ns) / 1e6
        links = "".join(f" -> trace {trace[:8]}" for trace, _ in self.links)
        return f"{self.service}: {self.name} ({self.kind.lower()}, {ms:.1f} ms){links}"


_KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


class Collector:
    """One that runs."""

    def __init__(self, port: int, folder: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._folder = folder

    def spans(self) -> list[Span]:
        """All so far."""
        return [
            _span(_attributes(group["resource"])["service.name"], span)
            for batch in self._lines("spans.jsonl")
            for group in batch["resourceSpans"]
            for scope in group["scopeSpans"]
            for span in scope["spans"]
        ]

    def metrics(self) -> dict[str, set[str]]:
        """Names of all metrics so far, by service."""
        found: dict[str, set[str]] = {}
        for batch in self._lines("metrics.jsonl"):
            for group in batch["resourceMetrics"]:
                service = _attributes(group["resource"])["service.name"]
                for scope in group["scopeMetrics"]:
                    names = {metric["name"] for metric in scope["metrics"]}
                    found.setdefault(service, set()).update(names)
        return found

    def exemplars(self, metric: str) -> set[str]:
        """Trace ids that a histogram's exemplars lead to."""
        return {
            exemplar["traceId"]
            for batch in self._lines("metrics.jsonl")
            for group in batch["resourceMetrics"]
            for scope in group["scopeMetrics"]
            for one in scope["metrics"]
            if one["name"] == metric
            for point in one["histogram"]["dataPoints"]
            for exemplar in point.get("exemplars", ())
        }

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self._folder / name
        if not path.exists():
            return []
        whole, _, _ = path.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def until(self, condition: Callable[[list[Span]], Any], what: str, seconds: float = 30) -> Any:
        """What a condition on the spans gives, once that is something."""
        deadline = time.monotonic() + seconds
        while True:
            spans = self.spans()
            found = condition(spans)
            if found:
                return found
            if time.monotonic() > deadline:
                names = "\n".join(sorted({f"{span.service}: {span.name}" for span in spans}))
                raise AssertionError(f"{what} did not come; there are:\n{names}")
            time.sleep(0.1)


def of_trace(spans: list[Span], trace_id: str) -> list[Span]:
    """The spans of one trace."""
    return [span for span in spans if span.trace_id == trace_id]


def drawn(spans: list[Span]) -> str:
    """A trace as a tree."""
    known = {span.span_id for span in spans}
    lines: list[str] = []

    def draw(parent_id: str | None, depth: int) -> None:
        mine = [
            span
            for span in spans
            if (span.parent_id == parent_id if parent_id else span.parent_id not in known)
        ]
        for span in sorted(mine, key=lambda one: (one.start_ns, one.name)):
            lines.append(f"{'  ' * depth}{span}")
            draw(span.span_id, depth + 1)

    draw(None, 0)
    return "\n".join(lines)


@contextmanager
def collector(program: Path, folder: Path) -> Generator[Collector]:
    """A Collector that has been started, and does not outlive the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "collector.yaml"
    config.write_text(
        _CONFIG.format(port=port, spans=folder / "spans.jsonl", metrics=folder / "metrics.jsonl")
    )
    with (folder / "collector.log").open("wb") as log:
        process = subprocess.Popen([program, "--config", f"file:{config}"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            text = (folder / "collector.log").read_text()
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Collector(port, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _span(service: str, span: dict[str, Any]) -> Span:
    return Span(
        service=service,
        name=span["name"],
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        kind=_KINDS[span.get("kind", 1)],
        links=tuple((link["traceId"], link["spanId"]) for link in span.get("links", ())),
        attributes=_attributes(span),
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        is_error=span.get("status", {}).get("code") == 2,
    )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {
        attribute["key"]: next(iter(attribute["value"].values()), None)
        for attribute in holder.get("attributes", ())
    }
