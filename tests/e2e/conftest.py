"""What the end-to-end tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bootstrap.gateway import gateway as build_gateway

from e2e.dev_process import DevProcess, dev_process


@pytest.fixture(scope="session")
def gateway() -> Path:
    """The gateway's program, built from this checkout."""
    return build_gateway()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, gateway: Path) -> Iterator[DevProcess]:
    """One dev process for all tests of a module that do not end it."""
    with dev_process(tmp_path_factory.mktemp("dev"), gateway) as process:
        yield process
