"""Packages of a Debian system, for what no language's registry carries."""

import os
import shutil

from bootstrap.command import ToolMissingError, install


def install_packages(*packages: str) -> None:
    """Install ``packages`` with apt-get.

    Raises:
        ToolMissingError: There is no apt-get, the user is not root, or the install failed.
    """
    names = " ".join(packages)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise ToolMissingError(f"install it with the system's packages (Debian: {names})")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install(["apt-get", "update", "-q"], what="Debian's package lists", env=quiet)
    install(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
        what=names,
        env=quiet,
    )
