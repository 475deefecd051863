"""New time-zone data: jobs follow them, whether they came while dev mode ran or not."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from zone_folder import TOWN, ZoneFolder

from e2e.dev_process import DevProcess

_HOUR = timedelta(hours=1)


def _create(dev: DevProcess, job_id: str, wall: datetime) -> None:
    """A job that runs each day when TOWN's clocks show the time given."""
    body = {
        "schedule": {
            "cron": f"{wall.second} {wall.minute} {wall.hour} * * *",
            "timeZone": TOWN,
            "maxRuns": 5,
        },
        "target": {"topic": job_id, "payload": {"text": "x"}},
    }
    answer = httpx.post(f"{dev.url}/v1/users/7/jobs", params={"job_id": job_id}, json=body)
    assert answer.status_code == 200, answer.text


def _next_run(dev: DevProcess, job_id: str) -> datetime:
    job = httpx.get(f"{dev.url}/v1/users/7/jobs/{job_id}").json()
    return datetime.fromisoformat(job["nextRunTimes"][0])


def _runs(dev: DevProcess, job_id: str) -> list[dict[str, Any]]:
    return httpx.get(f"{dev.url}/v1/users/7/jobs/{job_id}/runs").json().get("runs", [])


def test_jobs_follow_new_time_zone_data(tmp_path: Path, gateway: Path) -> None:
    town = ZoneFolder(tmp_path / "zones")
    dev = DevProcess(str(tmp_path / "data"), tmp_path / "dev.log", gateway)
    dev.environment["PYTHONTZPATH"] = str(town.root)
    try:
        dev.start()
        instant = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
        # By the present data in an hour and 30 seconds, and in 30 seconds.
        _create(dev, "sooner", instant + 2 * _HOUR)
        _create(dev, "gone-by", instant + _HOUR)
        assert _next_run(dev, "sooner") == instant + _HOUR
        assert _next_run(dev, "gone-by") == instant
        dev.stop()
        town.move(2)
        dev.start()
        tomorrow = instant + 24 * _HOUR
        # On a slow machine it may be late already.
        assert _next_run(dev, "sooner") in (instant, tomorrow)
        assert _next_run(dev, "gone-by") == tomorrow - _HOUR

        deadline = time.monotonic() + 60
        while not (runs := _runs(dev, "sooner")) or runs[0]["state"] == "RUN_STATE_PENDING":
            assert time.monotonic() < deadline, dev.log.read_text()
            time.sleep(0.1)
        (run,) = runs
        assert datetime.fromisoformat(run["scheduleTime"]) == instant
        assert run["state"] == "RUN_STATE_SUCCEEDED"
        assert datetime.fromisoformat(run["publishTime"]) >= instant
        assert _next_run(dev, "sooner") == tomorrow
        assert _runs(dev, "gone-by") == []

        # Without a restart: jobs that are there, and new ones.
        town.move(0)
        _create(dev, "new", instant + 3 * _HOUR)
        assert _next_run(dev, "new") == instant + 3 * _HOUR
        assert _next_run(dev, "sooner") == instant + 2 * _HOUR
    finally:
        dev.kill()
