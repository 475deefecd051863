"""The program's version."""

from importlib.metadata import version


def program_version() -> str:
    """As installed."""
    return version("tickwheel-server")
