"""The uv that makes the project's environment."""

import re
import shutil
import sys
from pathlib import Path

from bootstrap.cache import cache_home, exclusive
from bootstrap.command import ToolMissingError, install, output_of
from bootstrap.debian import install_packages

MINIMUM = (0, 9)
PINNED = "0.13.9"


def uv() -> Path:
    """The path of a uv of at least ``MINIMUM``, installed into the cache where none is on PATH.

    Raises:
        ToolMissingError: Neither venv nor pip works in the Python that runs this.
    """
    on_path = shutil.which("uv")
    if on_path is not None and _is_recent(Path(on_path)):
        return Path(on_path)
    folder = cache_home() / "tools" / f"uv-{PINNED}"
    # A folder of its own, since the one beside it holds a python that must not get onto PATH.
    link = folder / "path" / "uv"
    with exclusive(folder):
        if not _is_recent(link):
            _install(folder)
            link.parent.mkdir()
            link.symlink_to(Path("..", "bin", "uv"))
    return link


def _is_recent(binary: Path) -> bool:
    found = re.match(r"uv (\d+)\.(\d+)", output_of([binary, "--version"]) or "")
    return found is not None and (int(found[1]), int(found[2])) >= MINIMUM


def _install(folder: Path) -> None:
    what = f"uv {PINNED}"
    shutil.rmtree(folder, ignore_errors=True)
    if output_of([sys.executable, "-c", "import ensurepip"]) is None:
        # Debian splits ensurepip off; pip alone is enough, and without either apt-get may help.
        if output_of([sys.executable, "-m", "pip", "--version"]) is not None:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
            install([*pip, f"uv=={PINNED}"], what=what)
            return
        try:
            install_packages("python3-venv")
        except ToolMissingError as error:
            raise ToolMissingError(f"this Python has neither venv nor pip: {error}") from error
    install([sys.executable, "-m", "venv", folder], what="an environment for uv")
    install([folder / "bin" / "pip", "install", "--quiet", f"uv=={PINNED}"], what=what)
