"""Building Go programs of this checkout into the user's cache, each build once."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from bootstrap.cache import cache_home, exclusive
from bootstrap.command import install, output_of
from bootstrap.go import go

ROOT = Path(__file__).resolve().parents[2]
# A build for each of a few branches is worth keeping.
KEPT = 4


def build(
    name: str,
    module: Path,
    sources: Iterable[Path],
    *,
    package: str = ".",
    flags: Sequence[str] = (),
) -> Path:
    """The path of a program, built from the checkout unless that very build is cached.

    Args:
        name: Of the program; its folder in the cache as well.
        module: The folder with its go.mod.
        sources: All files of the checkout that it is made of.
        package: What of the module is built.
        flags: More for `go build`.

    Raises:
        ToolMissingError: Go cannot be had, or the build failed.
    """
    compiler = go()
    folder = cache_home() / name.removeprefix("tickwheel-") / _fingerprint(compiler, sources, flags)
    binary = folder / name
    with exclusive(folder.parent / "build"):
        if not binary.exists():
            folder.mkdir(exist_ok=True)
            unfinished = folder / f"{name}.new"
            install(
                [
                    *(compiler, "build", "-C", module, "-trimpath", "-buildvcs=false"),
                    *("-ldflags=-s -w", *flags, "-o", unfinished, package),
                ],
                what=f"{name} (built from {module.relative_to(ROOT)})",
                env={"CGO_ENABLED": "0"},
            )
            unfinished.rename(binary)
            _prune(folder.parent)
    os.utime(folder)
    return binary


def _fingerprint(compiler: Path, sources: Iterable[Path], flags: Sequence[str]) -> str:
    digest = hashlib.sha256((output_of([compiler, "version"]) or "").encode())
    digest.update("\0".join(flags).encode())
    for source in sources:
        digest.update(f"{source.relative_to(ROOT)}\0{source.stat().st_size}\0".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _prune(builds: Path) -> None:
    newest_first = sorted(
        (build for build in builds.iterdir() if build.is_dir()),
        key=lambda build: build.stat().st_mtime,
        reverse=True,
    )
    for old in newest_first[KEPT:]:
        shutil.rmtree(old)
