"""Code, documents, dashboard and alerts have the same names."""

import json
import re
from pathlib import Path
from typing import Any

from bootstrap.gobuild import ROOT

from tickwheel.worker.telemetry import names
from tickwheel.worker.telemetry.names import Kind, Metric

DEPLOY = ROOT / "deploy"
DOCUMENT = ROOT / "docs" / "observability.md"
RULES = DEPLOY / "prometheus" / "tickwheel.rules.yml"
DASHBOARD = DEPLOY / "grafana" / "tickwheel.json"

_SERIES = {
    f"{metric.prometheus}{ending}": metric
    for metric in names.ALL
    for ending in (("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",))
}
_NAME = re.compile(r"\b(?:tickwheel|http|rpc|db|messaging)_[a-z_]+\b")
_SELECTOR = re.compile(r"((?:tickwheel|http|rpc|db|messaging)_[a-z_]+)\{([^}]*)\}")
_BY = re.compile(r"\bby \(([^)]*)\)")
_ANYWHERE = {"le", "instance", "job"}


def row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return (
        f"| `{metric.name}` | `{metric.prometheus}` | {metric.kind} | `{metric.unit}` | {labels} | "
        f"{metric.description} |"
    )


def test_the_document_lists_them_as_they_are() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert rows == [row(metric) for metric in names.ALL]


def expressions() -> list[str]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*asked, *re.split(r"- alert:", RULES.read_text())[1:]]


def test_dashboard_and_alerts_ask_for_what_there_is() -> None:
    used: set[str] = set()
    for expression in expressions():
        for name in _NAME.findall(re.sub(r"\{[^}]*\}|by \([^)]*\)", "", expression)):
            if name in _SERIES:
                used.add(_SERIES[name].name)
            else:
                # In words, beside an expression.
                assert name in {metric.prometheus for metric in names.ALL}, name
        for name, selector in _SELECTOR.findall(expression):
            labels = set(re.findall(r"([a-z_]+)\s*=", selector))
            known = {label.replace(".", "_") for label in _SERIES[name].labels}
            assert labels <= known | _ANYWHERE, (name, labels)
        for by in _BY.findall(expression):
            known = {label.replace(".", "_") for metric in names.ALL for label in metric.labels}
            assert {label.strip() for label in by.split(",")} <= known | _ANYWHERE, by
    assert used == {metric.name for metric in names.ALL}


def _unit(expression: str) -> str:
    """What Grafana is to call the values of an expression."""
    (metric,) = {_SERIES[name].name for name in _NAME.findall(expression) if name in _SERIES}
    if "histogram_quantile(" in expression:
        return "s"
    if "rate(" in expression:
        return "ops"
    kinds = {one.name: one for one in names.ALL}
    return "s" if kinds[metric].unit == "s" else "short"


def test_a_panel_has_one_unit() -> None:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        shown = panel["fieldConfig"]["defaults"]["unit"]
        assert {_unit(target["expr"]) for target in panel["targets"]} == {shown}, panel["title"]


def test_alerts_are_named_in_the_document() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert len(alerts) == len(set(alerts))
    assert [alert for alert in alerts if f"`{alert}`" not in DOCUMENT.read_text()] == []


def test_no_name_is_used_beside_the_list() -> None:
    """Instruments are made of the list's entries alone."""
    made = re.compile(r"create_(?:counter|gauge|histogram|up_down_counter|observable_\w+)\(")
    places = [
        path.relative_to(ROOT)
        for folder in ("server/src", "worker/src")
        for path in (ROOT / folder).rglob("*.py")
        if made.search(path.read_text())
    ]
    assert places == [Path("worker/src/tickwheel/worker/telemetry/setup.py")]
