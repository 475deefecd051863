"""The jars of an engine and all they depend on, fetched once by Maven into the user's cache."""

import hashlib
import shutil
from pathlib import Path

from bootstrap.cache import cache_home, exclusive
from bootstrap.command import install
from bootstrap.java import java, maven

_POMS = Path(__file__).resolve().parent / "poms"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0"


def jars(engine: str) -> Path:
    """The folder with the jars of ``engine`` (a name in ``poms/``).

    Raises:
        ToolMissingError: Maven cannot be had, or fails.
    """
    pom = _POMS / f"{engine}.xml"
    fingerprint = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    home = cache_home() / "engines"
    folder = home / f"{engine}-{fingerprint}"
    if folder.exists():
        return folder
    # One at a time: Maven's local repository is not made for several writers.
    with exclusive(home / "fetch"):
        if not folder.exists():
            _fetch(engine, pom, folder)
    return folder


def _fetch(engine: str, pom: Path, folder: Path) -> None:
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    java_home = java().parent.parent
    install(
        [
            *(maven(), "--batch-mode", "--no-transfer-progress", "--quiet", "--strict-checksums"),
            f"-Dmaven.repo.local={cache_home() / 'maven'}",
            *("-f", pom, f"{_PLUGIN}:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={unfinished}"),
        ],
        what=f"the jars of {engine}",
        env={"JAVA_HOME": str(java_home)},
    )
    unfinished.rename(folder)
