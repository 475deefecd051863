"""Building what telemetry is tried with: Prometheus' promtool, and an OpenTelemetry Collector."""

from pathlib import Path

from bootstrap import gobuild

_PROMTOOL = gobuild.ROOT / "tools" / "promtool"
_OTELCOL = gobuild.ROOT / "tools" / "otelcol"


def promtool() -> Path:
    """The path of promtool, without what discovers the machines of clouds: built once.

    Raises:
        ToolMissingError: Go cannot be had, or the build failed.
    """
    return gobuild.build(
        "promtool",
        _PROMTOOL,
        sorted(_PROMTOOL.glob("go.*")),
        package="github.com/prometheus/prometheus/cmd/promtool",
        flags=("-tags=remove_all_sd",),
    )


def otelcol() -> Path:
    """The path of a Collector that takes OTLP and writes it into a file: built once.

    Raises:
        ToolMissingError: Go cannot be had, or the build failed.
    """
    return gobuild.build("otelcol", _OTELCOL, sorted(_OTELCOL.glob("*.*")))
