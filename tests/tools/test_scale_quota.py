"""A process under a quota of CPU time gets no more than that."""

import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from scale.quota import NoQuotaError, quota
from tickwheel.server.bench.measure import cpu_seconds

CORES = 0.1


@pytest.fixture
def busy() -> Generator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield process
        process.kill()


def test_the_kernel_holds_a_process_to_its_quota(busy: "subprocess.Popen[bytes]") -> None:
    try:
        with quota(busy.pid, "test", CORES) as group:
            begun, before = time.monotonic(), cpu_seconds(busy.pid)
            while group.throttled().throttled < 10:
                assert busy.poll() is None
                time.sleep(0.05)
            spent, seconds = cpu_seconds(busy.pid) - before, time.monotonic() - begun
            # A period more, and what /proc rounds.
            assert spent <= CORES * (seconds + 0.1) + 0.03
            assert group.throttled().periods >= group.throttled().throttled
    except NoQuotaError as why:
        pytest.skip(f"needs control groups that this user may write: {why}")
    # And goes on without it.
    assert busy.poll() is None
