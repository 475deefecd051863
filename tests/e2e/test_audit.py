"""`tickwheel audit` on a data directory, with `tickwheel dev` running and without."""

import json
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from e2e.dev_process import DevProcess, dev_process


def test_an_audit_of_dev_mode(tmp_path: Path, gateway: Path) -> None:
    with dev_process(tmp_path, gateway) as dev:
        begun = datetime.now(UTC).isoformat()
        body = {"schedule": {"every": "1s"}, "target": {"topic": "often", "payload": {"json": 1}}}
        made = httpx.post(f"{dev.url}/v1/users/7/jobs?job_id=often", json=body)
        assert made.status_code == 200, made.text
        ran = httpx.post(f"{dev.url}/v1/users/7/jobs/often:run", json={})
        assert ran.status_code == 200, ran.text
        # The audit leaves the last ten seconds alone.
        _until_older(begun, 14)
        summary = _audit(dev, begun, 0)
        assert summary["occurrences"] >= 3
        assert summary["published"] >= summary["occurrences"] + 1
        assert summary["triggered"] == 1
        assert summary["findings"] == {}
        # People get a table and the same verdict.
        told = dev.cli("audit", "users/7/jobs/often", "--start-time", begun, "--store", "sqlite")
        assert told.returncode == 0, told.stderr
        assert "Nothing is missing, early or doubled." in told.stdout
        dev.stop()
        data = Path(dev.environment["TICKWHEEL_DATA"])
        with sqlite3.connect(data / "tickwheel.db") as store:
            changed = store.execute(
                "DELETE FROM task_history WHERE run_id = (SELECT min(run_id) FROM task_history "
                "WHERE run_id NOT LIKE '%-m-%')"
            )
            assert changed.rowcount == 1
        store.close()
        assert _audit(dev, begun, 1)["findings"] == {"UNRECORDED": 1}


def _until_older(instant: str, seconds: float) -> None:
    while time.time() < datetime.fromisoformat(instant).timestamp() + seconds:
        time.sleep(0.1)


def _audit(dev: DevProcess, start: str, code: int) -> dict[str, Any]:
    told = dev.cli("audit", "--start-time", start, "--store", "sqlite", "-o", "json")
    assert told.returncode == code, told.stdout + told.stderr
    *findings, last = [json.loads(line) for line in told.stdout.splitlines()]
    summary = last["summary"]
    assert len(findings) == sum(summary["findings"].values())
    return summary
