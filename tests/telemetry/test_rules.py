"""The alerts, by Prometheus' own tool."""

import re
import subprocess
from pathlib import Path

import pytest
from bootstrap.command import ToolMissingError
from bootstrap.gobuild import ROOT
from bootstrap.watching import promtool

RULES = ROOT / "deploy" / "prometheus"


@pytest.fixture(scope="module")
def tool() -> Path:
    try:
        return promtool()
    except ToolMissingError as error:
        pytest.skip(f"promtool cannot be built here: {error}")


def run(tool: Path, *arguments: str) -> str:
    done = subprocess.run(
        [tool, *arguments], cwd=RULES, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(1200)
def test_the_rules_are_right(tool: Path) -> None:
    assert "SUCCESS: 9 rules found" in run(tool, "check", "rules", "tickwheel.rules.yml")


def test_each_fires_when_it_should_and_not_else(tool: Path) -> None:
    assert "SUCCESS" in run(tool, "test", "rules", "tickwheel.rules.test.yml")
    alerts = set(re.findall(r"- alert: (\w+)", (RULES / "tickwheel.rules.yml").read_text()))
    cases = (RULES / "tickwheel.rules.test.yml").read_text()
    assert set(re.findall(r'alertname="(\w+)"', cases)) == alerts


def test_the_tests_can_fail(tool: Path, tmp_path: Path) -> None:
    for name in ("tickwheel.rules.yml", "tickwheel.rules.test.yml"):
        text = (RULES / name).read_text()
        (tmp_path / name).write_text(text.replace("_lag_seconds) > 10", "_lag_seconds) > 1000"))
    done = subprocess.run(
        [tool, "test", "rules", "tickwheel.rules.test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "TickwheelBehind" in done.stdout + done.stderr
