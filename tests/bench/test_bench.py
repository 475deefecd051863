"""`tickwheel bench --quick` as a user calls it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.dev_process import DevProcess
from tickwheel.server.bench.measure import children

TICKWHEEL = Path(sys.executable).with_name("tickwheel")


def bench(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TICKWHEEL, "bench", *words],
        cwd=cwd,
        env={**os.environ, "TICKWHEEL_GATEWAY": "/none"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_a_dev_mode_of_its_own(tmp_path: Path) -> None:
    ended = bench("W1", "W2", "W7", "--quick", "-o", "json", "--report", "out", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document == json.loads((tmp_path / "out" / "bench.json").read_text())
    assert "<svg" in (tmp_path / "out" / "bench.html").read_text()
    results = document["results"]
    assert [each["workload"] for each in results] == [*["W1"] * 4, *["W2"] * 3, "W7"]
    assert results[0]["figures"]["jobs/s"] > 0
    assert results[0]["figures"]["bare calls/s"] > 0
    assert results[3]["notes"] == ["left out: the cluster has no gateway"]
    burst = results[4]
    assert (burst["figures"]["runs"], burst["figures"]["missing"]) == (1_000, 0)
    assert (burst["lateness"]["count"], burst["lateness"]["early"]) == (1_000, 0)
    assert burst["figures"]["CPU-s per 1,000"] > 0
    for handled in results[5:7]:
        figures = handled["figures"]
        assert (figures["runs"], figures["missing"], figures["foreign"]) == (1_000, 0, 0)
        assert (figures["handlers missing"], figures["handlers twice"]) == (0, 0)
        assert (handled["lateness"]["count"], handled["lateness"]["early"]) == (1_000, 0)
        # A handler is not started before its record is there.
        assert figures["handlers started s"] >= figures["drained s"] > 0
        executor = next(each for each in handled["costs"] if each["process"] == "executor")
        assert executor["cpu_s_per_1000"] == figures["of it the executor"] > 0
        assert executor["peak_mib"] > 10
    storm = results[7]["figures"]
    assert (storm["runs"], storm["missing"]) == (540, 0)
    assert storm["the other's, calm: runs"] == 20


def test_a_named_cluster_is_not_broken_and_left_clean(tmp_path: Path) -> None:
    dev = DevProcess(str(tmp_path / "data"), tmp_path / "dev.log", None)
    dev.start()
    try:
        ended = bench(
            *("W3", "W5", "W6", "--quick", "-o", "json", "--address", dev.grpc_address),
            cwd=tmp_path,
        )
        listed = dev.cli("jobs", "list", "--user", "tickwheel-bench", "-o", "json", check=True)
    finally:
        dev.kill()
    assert ended.returncode == 0, ended.stderr
    steady, crash, standing = json.loads(ended.stdout)["results"]
    assert steady["figures"]["missing"] == 0
    assert crash["notes"][0].startswith("left out: ")
    assert standing["notes"][0].startswith("left out: ")
    assert listed.stdout == ""


def test_arguments_that_make_no_sense_are_named(tmp_path: Path) -> None:
    unknown = bench("W9", cwd=tmp_path)
    assert (unknown.returncode, "there is no workload W9" in unknown.stderr) == (2, True)
    lone = bench("--kafka-bootstrap", "127.0.0.1:9092", cwd=tmp_path)
    assert (lone.returncode, "need --address" in lone.stderr) == (2, True)


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [TICKWHEEL, "bench", "W3", "--quick"],
        cwd=tmp_path,
        env={**os.environ, "TICKWHEEL_GATEWAY": "/none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "embedded: W3 200/s for 3 s\n"
        (dev,) = children(running.pid)
        running.terminate()
        assert running.wait(30) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(dev, 0)
