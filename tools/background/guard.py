"""The guard ends a folder's background processes when the program that wanted them has ended.

It is a process of its own, since a program that is killed can end nothing any more, and since the
kernel's own means (PR_SET_PDEATHSIG) hangs on the thread that started the process.
"""

import argparse
import os
import select
import shutil
import sys
from pathlib import Path

from background.process import Process, alive, kill, recorded, spawn, this_process

RECORD = "process.json"
"""The record's name in each direct subfolder of a guarded folder."""

_GUARD_RECORD = "guard.json"
_IMPORT_ROOT = Path(__file__).resolve().parents[1]


def guard(folder: Path, *, remove: bool) -> None:
    """Have ``*/process.json`` under ``folder`` killed when this program ends, however it ends.

    Args:
        folder: Whose processes are guarded, also those that are started later.
        remove: Remove the folder then as well.
    """
    owner = this_process()
    command = [sys.executable, "-m", "background.guard", str(owner.pid), str(owner.start_ticks)]
    spawn(
        [*command, folder, *(["--remove"] if remove else [])],
        folder=folder,
        log=folder / "guard.log",
        record=folder / _GUARD_RECORD,
        env={"PYTHONPATH": str(_IMPORT_ROOT)},
    )


def unguard(folder: Path) -> None:
    """End the guard of ``folder``, if there is one."""
    if watcher := recorded(folder / _GUARD_RECORD):
        kill([watcher])


def processes(folder: Path) -> list[Process]:
    """The processes under ``folder`` that run."""
    found = (recorded(record) for record in sorted(folder.glob(f"*/{RECORD}")))
    return [process for process in found if process is not None]


def main() -> None:
    """Wait for the owner's end, then end what it left."""
    parser = argparse.ArgumentParser(prog="background.guard", description=__doc__)
    parser.add_argument("pid", type=int)
    parser.add_argument("start_ticks", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--remove", action="store_true")
    arguments = parser.parse_args()
    owner = Process(arguments.pid, arguments.start_ticks)
    try:
        handle = os.pidfd_open(owner.pid)
    except ProcessLookupError:
        pass
    else:
        # Between its start and the handle the owner may have ended and its id been given away.
        if alive(owner):
            select.select([handle], [], [])
    kill(processes(arguments.folder))
    if arguments.remove:
        shutil.rmtree(arguments.folder)


if __name__ == "__main__":
    main()
