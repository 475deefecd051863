"""What processes tell of themselves: which of many each is."""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

TICKWHEEL = Path(sys.executable).with_name("tickwheel")


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _about(address: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            return httpx.get(f"http://{address}/about").json()
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"nothing is served on {address}")


def test_two_apis_that_are_told_the_same_are_told_apart() -> None:
    # They wait for their store, which is not there.
    settings = os.environ | {
        "TICKWHEEL_GRPC_ADDRESS": _free_address(),
        "TICKWHEEL_CASSANDRA_CONTACT_POINTS": "127.0.0.1:1",
    }
    with ExitStack() as stack:
        found: list[dict[str, Any]] = []
        for _ in range(2):
            address = _free_address()
            process = stack.enter_context(
                subprocess.Popen(
                    [TICKWHEEL, "api"], env=settings | {"TICKWHEEL_METRICS_ADDRESS": address}
                )
            )
            stack.callback(process.kill)
            found.append(_about(address, process))
    assert {each["service"] for each in found} == {"tickwheel-api"}
    assert len({each["instance"] for each in found}) == 2
