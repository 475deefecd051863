"""Background processes: known again, ended, guarded, waited for."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from background.guard import RECORD, processes
from background.process import Process, alive, end, kill, recorded, send, spawn
from background.wait import NotReadyError, until_ready

TOOLS = Path(__file__).resolve().parents[2] / "tools"
FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
    "while True: signal.pause()",
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "part").mkdir()
    yield tmp_path
    kill(processes(tmp_path))


def start(folder: Path, command: list[str]) -> Process:
    part = folder / "part"
    return spawn(command, folder=part, log=part / "log", record=part / RECORD)


def test_a_process_is_known_by_its_record(folder: Path) -> None:
    process = start(folder, FOREVER)
    assert recorded(folder / "part" / RECORD) == process
    end([process], grace_s=10)
    assert not alive(process)
    assert recorded(folder / "part" / RECORD) is None


def test_another_process_of_the_same_id_is_not_meant(folder: Path) -> None:
    process = start(folder, FOREVER)
    earlier = Process(process.pid, process.start_ticks - 1)
    assert not alive(earlier)
    assert not send(earlier, signal.SIGKILL)
    assert alive(process)


def test_it_runs_in_its_folder_and_logs_there(folder: Path) -> None:
    process = start(folder, ["sh", "-c", "pwd; echo oops >&2"])
    until_ready(
        lambda: None if not alive(process) else "it runs",
        running=lambda: True,
        what="sh",
        logs=[],
        timeout_s=10,
    )
    assert (folder / "part" / "log").read_text() == f"{folder / 'part'}\noops\n"


def test_what_does_not_heed_sigterm_is_killed(folder: Path) -> None:
    process = start(folder, DEAF)
    log = folder / "part" / "log"
    until_ready(
        lambda: None if log.read_text() == "deaf\n" else "it has not begun",
        running=lambda: alive(process),
        what="deaf",
        logs=[log],
        timeout_s=10,
    )
    end([process], grace_s=0.2)
    assert not alive(process)


def test_a_hung_process_ends_too(folder: Path) -> None:
    process = start(folder, FOREVER)
    send(process, signal.SIGSTOP)
    end([process], grace_s=10)
    assert not alive(process)


def test_waiting_tells_why_it_was_in_vain(folder: Path) -> None:
    process = start(folder, ["sh", "-c", "echo no such disk; exit 3"])
    with pytest.raises(NotReadyError, match=r"disk server ended .*\n.*log\nno such disk"):
        until_ready(
            lambda: "no answer",
            running=lambda: alive(process),
            what="disk server",
            logs=[folder / "part" / "log"],
            timeout_s=10,
        )


def test_waiting_ends_with_the_time() -> None:
    with pytest.raises(NotReadyError, match=r"it was not ready after 0\.1 s: no answer"):
        until_ready(lambda: "no answer", running=lambda: True, what="it", logs=[], timeout_s=0.1)


OWNER = """
import signal, sys
from pathlib import Path
from background.guard import guard
from background.process import spawn
home = Path(sys.argv[1])
guard(home, remove=True)
(home / "part").mkdir()
spawn(sys.argv[2:], folder=home / "part", log=home / "part/log", record=home / "part/process.json")
print("up", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_guarded_process_ends_with_its_owner(tmp_path: Path, number: signal.Signals) -> None:
    home = tmp_path / "guarded"
    home.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, home, *FOREVER],
        env={"PYTHONPATH": str(TOOLS)},
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        [process] = processes(home)
        owner.send_signal(number)
    deadline = time.monotonic() + 20
    while home.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not home.exists()
    assert not alive(process)
