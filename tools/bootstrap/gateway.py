"""Building the gateway, the one part of Tickwheel that is not Python."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bootstrap.cache import cache_home, exclusive
from bootstrap.command import install, output_of
from bootstrap.go import go

NAME = "tickwheel-gateway"
# A build for each of a few branches is worth keeping; a binary is 13 MB.
KEPT = 4

_ROOT = Path(__file__).resolve().parents[2]
_MODULE = _ROOT / "server" / "gateway"


def gateway() -> Path:
    """The path of the gateway's binary, built from the checkout unless that very build is cached.

    Raises:
        ToolMissingError: Go cannot be had, or the build failed.
    """
    compiler = go()
    folder = cache_home() / "gateway" / _fingerprint(compiler)
    binary = folder / NAME
    with exclusive(folder.parent / "build"):
        if not binary.exists():
            folder.mkdir(exist_ok=True)
            unfinished = folder / f"{NAME}.new"
            install(
                [
                    *(compiler, "build", "-C", _MODULE, "-trimpath", "-buildvcs=false"),
                    *("-ldflags=-s -w", "-o", unfinished, "."),
                ],
                what=f"{NAME} (built from server/gateway)",
                env={"CGO_ENABLED": "0"},
            )
            unfinished.rename(binary)
            _prune(folder.parent)
    os.utime(folder)
    return binary


def _fingerprint(compiler: Path) -> str:
    digest = hashlib.sha256((output_of([compiler, "version"]) or "").encode())
    for source in _sources():
        digest.update(f"{source.relative_to(_ROOT)}\0{source.stat().st_size}\0".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for folder in (_MODULE, _ROOT / "gen"):
        for source in sorted(folder.rglob("*")):
            # Generated OpenAPI documents and pages are embedded into the binary.
            if source.is_file() and source.suffix not in {".py", ".pyi", ".ts", ".pyc"}:
                yield source


def _prune(builds: Path) -> None:
    newest_first = sorted(
        (build for build in builds.iterdir() if build.is_dir()),
        key=lambda build: build.stat().st_mtime,
        reverse=True,
    )
    for build in newest_first[KEPT:]:
        shutil.rmtree(build)
