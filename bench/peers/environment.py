"""The environment of the peers that are in Python, apart from the project's own."""

import hashlib
import shutil
import sys
from pathlib import Path

from bootstrap.cache import cache_home, exclusive
from bootstrap.command import install
from bootstrap.uv import uv

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def python() -> Path:
    """The Python that has the packages of requirements.txt, and no others; made once.

    Raises:
        ToolMissingError: one cannot be had.
    """
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = cache_home() / "tools" / f"peers-{digest}"
    interpreter = folder / "bin" / "python"
    complete = folder / ".complete"
    with exclusive(folder):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make = [uv(), "venv", "--quiet", "--python", sys.executable, folder]
            install(make, what="an environment for the bench's peers")
            pip = [uv(), "pip", "install", "--quiet", "--python", interpreter]
            install([*pip, "--require-hashes", "-r", _REQUIREMENTS], what=_REQUIREMENTS.name)
            complete.touch()
    return interpreter
