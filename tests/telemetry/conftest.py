"""A Collector for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bootstrap.command import ToolMissingError
from bootstrap.watching import otelcol

from telemetry.collector import Collector, collector


@pytest.fixture(scope="session")
def program() -> Path:
    """The Collector's program, built from its modules."""
    try:
        return otelcol()
    except ToolMissingError as error:
        pytest.skip(f"the OpenTelemetry Collector cannot be built here: {error}")


@pytest.fixture(scope="module")
def received(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that runs, and what it has received."""
    with collector(program, tmp_path_factory.mktemp("collector")) as running:
        yield running
