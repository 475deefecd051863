"""Failing plans are cut down from the command line, with the defect that makes them fail."""

import os
import subprocess
import sys
from pathlib import Path

from simulator.plan import Plan, Step

EVERY_SECOND = {"schedule": {"every": 1_000}, "topic": "t"}
PLAN = Plan(
    seed=3,
    start_ms=1_795_435_200_000,
    schedulers=1,
    workers=1,
    apis=1,
    active_ms=8_000,
    steps=tuple(
        Step(1_000 + number, "create", f"j{number}", {**EVERY_SECOND, "payload": f"j{number}"})
        for number in range(4)
    ),
    faults=(),
)


def test_a_plan_that_fails_by_a_defect_is_cut_down(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(PLAN.to_json())
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)

    done = subprocess.run(
        [sys.executable, "-m", "simulator", "plan.json", "--defect", "no-due-check", "--shrink"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (1, "")
    small = Plan.of_json((tmp_path / "simulation-3.json").read_text())
    assert len(small.steps) == 1
    cut_down = done.stdout.rpartition("1 steps, 0 faults")[2]
    assert "EARLY" in cut_down
    assert "simulator simulation-3.json --defect no-due-check --trace FILE" in cut_down
