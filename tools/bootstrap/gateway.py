"""Building the gateway, the one part of Tickwheel that is not Python."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from bootstrap import gobuild

NAME = "tickwheel-gateway"

_MODULE = gobuild.ROOT / "server" / "gateway"


def gateway() -> Path:
    """The path of the gateway's binary, built from the checkout unless that very build is cached.

    Raises:
        ToolMissingError: Go cannot be had, or the build failed.
    """
    pyproject = tomllib.loads((gobuild.ROOT / "server" / "pyproject.toml").read_text())
    version = pyproject["project"]["version"]
    # The last one of a flag counts.
    flags = [f"-ldflags=-s -w -X main.version={version}"]
    return gobuild.build(NAME, _MODULE, _sources(), flags=flags)


def _sources() -> Iterator[Path]:
    for folder in (_MODULE, gobuild.ROOT / "gen"):
        for source in sorted(folder.rglob("*")):
            # Generated OpenAPI documents and pages are embedded into the binary.
            if source.is_file() and source.suffix not in {".py", ".pyi", ".ts", ".pyc"}:
                yield source
