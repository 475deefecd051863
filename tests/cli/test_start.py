"""Starting: which commands there are, and how quickly they are there."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import PROGRAM
from tickwheel.server.dev.main import greet
from tickwheel.server.settings import Settings


def install(folder: Path, name: str, register: str) -> None:
    """Put a distribution into the folder which adds commands by the given code."""
    (folder / f"{name}_commands.py").write_text(register)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[tickwheel.commands]\n{name} = {name}_commands:register\n"
    )


def tickwheel(*arguments: str, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(path)} if path else {},
        check=False,
    )


def test_help_names_the_commands() -> None:
    ended = tickwheel("--help")
    assert ended.returncode == 0
    for command in ("jobs", "runs", "schedule", "records"):
        assert f"\n  {command} " in ended.stdout


def test_version() -> None:
    assert tickwheel("--version").stdout == "0.1.0\n"


def test_commands_of_other_distributions(tmp_path: Path) -> None:
    install(
        tmp_path,
        "extra",
        "def register(app):\n    @app.command()\n    def hello():\n        print('hello')\n",
    )
    assert tickwheel("hello", path=tmp_path).stdout == "hello\n"


def test_a_broken_distribution_is_named_and_the_rest_works(tmp_path: Path) -> None:
    install(tmp_path, "broken", "import no_such_module\n")
    ended = tickwheel("--version", path=tmp_path)
    assert ended.returncode == 0
    assert (
        "warning: the commands of broken cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_module'\n" in ended.stderr
    )


def test_starting_up_imports_nothing_that_only_commands_need() -> None:
    # A bound on the time would measure the machine; what would take the time are these.
    slow = {"aiokafka", "cassandra", "google.protobuf", "grpc", "rich"}
    code = (
        "import sys; from tickwheel.client.cli.app import build; import typer; "
        "typer.main.get_command(build()); print(*sys.modules)"
    )
    imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "tickwheel.client.cli.jobs" in imported
    assert not slow.intersection(imported)


def test_where_dev_mode_runs_is_no_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    greet(Settings(http_address="127.0.0.1:7999"), has_gateway=True)
    told = capsys.readouterr()
    assert "REST   http://127.0.0.1:7999\n" in told.out
    assert not told.err
