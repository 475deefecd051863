"""`tickwheel audit` as a process: what it is asked, what it refuses, and what it says."""

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.conftest import PROGRAM
from proof.facts import END_MS, START_MS, past
from tickwheel.server.cli_audit import register
from tickwheel.server.cli_settings import settings_of
from tickwheel.server.wiring.audit import places


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


_RANGE = ("--start-time", _instant(START_MS), "--end-time", _instant(END_MS))


def _audit(data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, "audit", *arguments],
        capture_output=True,
        text=True,
        env={"TICKWHEEL_STORE": "sqlite", "TICKWHEEL_DATA": str(data), "COLUMNS": "200"},
        check=False,
    )


def _refused(*arguments: str) -> str:
    """What is said of arguments for which nothing is looked at."""
    app = typer.Typer()
    register(app)
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 2, told.output
    return told.output


def _two_jobs(folder: Path) -> str:
    """A living job and one that was deleted after the range; returns their owner."""

    async def make() -> str:
        async with past(folder) as here:
            await here.fire(await here.job(job_id="nightly"))
            gone = await here.job(job_id="gone")
            await here.fire(gone)
            at_ms = END_MS + 1_000
            await here.change(gone, at_ms, delete_ms=at_ms)
            return here.world.user

    return asyncio.run(make())


def test_a_job_that_is_not_there(tmp_path: Path) -> None:
    user = _two_jobs(tmp_path)
    checkpoint = tmp_path / "checkpoint"
    told = _audit(tmp_path, *_RANGE, f"users/{user}/jobs/nosuch", "--checkpoint", str(checkpoint))
    assert told.returncode == 2, told.stdout
    assert f"JOB: there is no job users/{user}/jobs/nosuch" in told.stderr
    assert not checkpoint.exists()
    for there in ("nightly", "gone"):
        told = _audit(tmp_path, *_RANGE, there, "--user", user)
        assert told.returncode == 0, told.stderr
        assert "Nothing is missing, early or doubled." in told.stdout


@pytest.mark.parametrize("name", ["", "users/7/jobs/", "7/jobs/x", "users/7/jobs/a/b"])
def test_what_is_no_name_of_a_job(name: str) -> None:
    told = _refused("--last", "1h", name, "--user", "7")
    assert f"JOB: {name!r} is not the name of a job" in told


def test_a_job_of_another_user() -> None:
    told = _refused("--last", "1h", "users/7/jobs/x", "--user", "8")
    assert "JOB: 'users/7/jobs/x' is not a job of --user 8" in told


def test_ranges_in_which_nothing_can_be() -> None:
    at = ("--start-time", "2026-11-23T12:00:00Z", "--end-time")
    for end in ("2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z"):
        assert "--end-time has to be after --start-time" in _refused(*at, end)
    told = _refused("--start-time", "2999-01-01T00:00:00Z")
    assert "it has to begin ten seconds ago" in told
    assert "it has to begin ten seconds ago" in _refused("--last", "0s")


def test_an_audit_of_a_time_when_nothing_was_due(tmp_path: Path) -> None:
    _two_jobs(tmp_path)
    # A job is due from when it was made.
    at = [_instant(START_MS - day * 86_400_000) for day in (2, 1)]
    told = _audit(tmp_path, "--start-time", at[0], "--end-time", at[1])
    assert told.returncode == 0, told.stderr
    assert "Nothing was due in the range, and nothing is wrong." in told.stdout


def test_an_audit_that_found_no_job_proves_nothing(tmp_path: Path) -> None:
    _two_jobs(tmp_path)
    told = _audit(tmp_path, *_RANGE, "--user", "nobody")
    assert told.returncode == 0
    assert "No job is there to be audited." in told.stdout
    assert "Nothing is missing" not in told.stdout


def test_a_checkpoint_is_of_one_store_and_log(tmp_path: Path) -> None:
    user = _two_jobs(tmp_path)
    checkpoint = str(tmp_path / "checkpoint")
    none = tmp_path / "none"
    none.mkdir()
    call = (*_RANGE, "nightly", "--user", user, "--checkpoint", checkpoint)
    assert _audit(none, *call).returncode == 3
    told = _audit(tmp_path, *call)
    assert told.returncode == 2, told.stdout
    assert "other arguments, or of another store or log" in told.stderr
    # Another way to write the same folder.
    assert _audit(none / ".." / "none", *call).returncode == 3


def test_a_checkpoint_that_breaks_is_named(tmp_path: Path) -> None:
    """It was taken for something found: 1, after a traceback."""
    user = _two_jobs(tmp_path)
    checkpoint = tmp_path / "checkpoint"
    data = tmp_path / "later"
    data.mkdir()
    call = (*_RANGE, "nightly", "--user", user, "--checkpoint", str(checkpoint))
    assert _audit(data, *call).returncode == 3
    with closing(sqlite3.connect(checkpoint)) as opened:
        opened.execute("DROP TABLE jobs")
    for file in tmp_path.glob("*.db*"):
        shutil.copy(file, data)
    told = _audit(data, *call)
    assert told.returncode == 3, told.stdout
    assert told.stderr.startswith(f"tickwheel audit: {checkpoint}: no such table: jobs")
    assert "Traceback" not in told.stderr


def test_where_a_cluster_is_read() -> None:
    def named(nodes: str, keyspace: str, brokers: str) -> tuple[str, ...]:
        return places(
            settings_of(
                store="cassandra",
                cassandra_contact_points=nodes,
                cassandra_keyspace=keyspace,
                kafka_bootstrap=brokers,
            )
        )

    one = named("a:9042,b:9042", "runs", "c:9092,d:9092")
    assert one == named("b:9042, a:9042", "runs", "d:9092, c:9092")
    others = [
        named("a:9042", "runs", "c:9092,d:9092"),
        named("a:9042,b:9042", "others", "c:9092,d:9092"),
        named("a:9042,b:9042", "runs", "c:9092,e:9092"),
    ]
    assert one not in others
