"""The drills' own parts: matching records to targets, and a network that can be cut."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from drills.continuity import Continuity
from drills.drill import Line
from drills.proxy import Proxies
from drills.targets import Job, Seen, judge

ONCE = Job("once", 1_000)


def _seen(uid: str, at_ms: int, append_ms: int, attempt: int = 1) -> Seen:
    return Seen(f"{uid}/{at_ms}/{attempt}", at_ms, append_ms)


def test_what_came_and_what_did_not() -> None:
    verdict = judge([ONCE, Job("lost", 1_500)], [_seen("once", 1_000, 1_004)], 2_000)
    assert (verdict.due, verdict.published, verdict.duplicates) == (2, 1, 0)
    assert verdict.missing == ["lost due 1500"]
    assert not verdict.holds
    assert verdict.late == [(1_004, 4)]


def test_what_is_not_due_yet_is_not_judged() -> None:
    verdict = judge([ONCE], [], 1_000)
    assert verdict.holds
    assert verdict.due == 0


def test_early_doubled_and_duplicate() -> None:
    seen = [_seen("once", 1_000, 999), _seen("once", 1_000, 1_010)]
    verdict = judge([ONCE], seen, 2_000)
    assert len(verdict.early) == 1
    assert (verdict.published, verdict.duplicates, verdict.doubled) == (1, 1, [])
    seen.append(_seen("once", 1_000, 1_020, attempt=2))
    assert len(judge([ONCE], seen, 2_000).doubled) == 1


@pytest.mark.parametrize("unseen", [True, False])
def test_nothing_is_there_twice_where_nothing_failed_over(unseen: bool) -> None:
    seen = [_seen("once", 1_000, 1_001), _seen("once", 1_000, 1_010)]
    line = Line(
        name="calm",
        verdict=judge([ONCE], seen, 2_000),
        told=[],
        recovery_s=0,
        waking_s=0,
        limit_s=5,
        resumed_s=0,
        resume_limit_s=None,
        calls=1,
        errors=[],
        unseen=unseen,
        slowest_s=0.1,
        breaks=None,
    )
    assert line.holds is not unseen
    assert ("VIOLATED: records are there twice" in str(line)) is unseen


def test_a_job_that_was_stopped() -> None:
    job = Job("often", 1_000, 1_000, stop_asked_ms=2_500, stop_told_ms=3_500)
    # Must at 1 and 2 s; may at 3 s; must not at 4 s.
    both = [_seen("often", at, at) for at in (1_000, 2_000)]
    assert judge([job], both, 9_000).holds
    assert judge([job], [*both, _seen("often", 3_000, 3_000)], 9_000).due == 3
    verdict = judge([job], [*both, _seen("often", 4_000, 4_000)], 9_000)
    assert len(verdict.unwanted) == 1
    assert not judge([job], both[:1], 9_000).holds


def test_a_record_of_a_job_that_nobody_was_promised() -> None:
    assert judge([], [_seen("unknown", 1_000, 1_000)], 2_000).holds


def test_recovery_ends_with_the_last_late_record() -> None:
    jobs = [Job(f"j{at}", at) for at in (1_000, 2_000, 3_000)]
    seen = [
        _seen("j1000", 1_000, 1_001),
        _seen("j2000", 2_000, 5_000),
        _seen("j3000", 3_000, 3_900),
    ]
    verdict = judge(jobs, seen, 9_000)
    assert verdict.recovery_s(2_000, 1_000) == 3
    assert verdict.recovery_s(6_000, 1_000) == 0
    assert verdict.resumed_s(3_950) == 1.05


def test_streams_and_holdings_stay_by_what_schedulers_say(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    log.write_text("[info ] worker connected worker=w\n")
    continuity = Continuity([log])
    assert len(continuity.breaks()) == 1, "it has not said that it goes on"
    with log.open("a") as file:
        file.write("[warning ] the session holds again segments=24\n")
        file.flush()
        assert not continuity.breaks()
        file.write("[info ] segments taken count=1 owned=24\n")
    assert continuity.breaks() == ["[info ] segments taken count=1 owned=24"]


def test_what_comes_after_somebody_woke_who_had_been_replaced() -> None:
    seen = [_seen("once", 1_000, 1_001), _seen("once", 1_000, 5_000)]
    assert judge([ONCE], seen, 2_000, woken_ms=5_001).holds
    verdict = judge([ONCE], seen, 2_000, woken_ms=5_000)
    assert len(verdict.stale) == 1
    assert not verdict.holds
    # What comes late for the first time is no copy: whoever took over may be slow.
    assert judge([ONCE], seen[1:], 2_000, woken_ms=4_000).holds


def test_what_was_late_before_and_after_a_waking() -> None:
    jobs = [Job(f"j{at}", at) for at in (1_000, 8_000)]
    seen = [_seen("j1000", 1_000, 5_000), _seen("j8000", 8_000, 9_500)]
    verdict = judge(jobs, seen, 9_000)
    assert verdict.recovery_s(1_000, 1_000, until_ms=9_000) == 4
    assert verdict.recovery_s(9_000, 1_000) == 0.5


def test_a_job_that_was_created_late_is_not_late_by_that() -> None:
    verdict = judge([Job("once", 1_000, told_ms=6_000)], [_seen("once", 1_000, 6_200)], 9_000)
    assert verdict.late == [(6_200, 200)]


@pytest.fixture
def echo() -> Generator[str]:
    """An echo server's address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            # A process that is gone with unread bytes resets its connection.
            with connection, contextlib.suppress(ConnectionError):
                while data := connection.recv(100):
                    connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


_ASK = """
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
with socket.create_connection((host, int(port)), timeout=10) as there:
    for line in sys.stdin.buffer:
        there.sendall(line)
        sys.stdout.buffer.write(there.recv(100))
        sys.stdout.flush()
"""


def test_a_cut_is_silent_and_ends(echo: str) -> None:
    address = _free_address()
    host, _, port = address.rpartition(":")
    with Proxies() as proxies:
        proxies.open(address, echo)
        with socket.create_connection((host, int(port)), timeout=10) as here:
            here.sendall(b"1")
            assert here.recv(10) == b"1"
            proxies.cut_target(echo)
            here.sendall(b"2")
            here.settimeout(0.3)
            with pytest.raises(TimeoutError):
                here.recv(10)
            # A new connection is no better off.
            with socket.create_connection((host, int(port)), timeout=0.3) as other:
                other.sendall(b"3")
                with pytest.raises(TimeoutError):
                    other.recv(10)
            proxies.mend()
            here.settimeout(10)
            assert here.recv(10) == b"2"


def test_one_process_is_cut_and_another_is_not(echo: str) -> None:
    address = _free_address()
    host, _, port = address.rpartition(":")
    with Proxies() as proxies:
        proxies.open(address, echo)
        with (
            socket.create_connection((host, int(port)), timeout=10) as here,
            subprocess.Popen(
                [sys.executable, "-c", _ASK, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as other,
        ):
            assert other.stdin is not None
            assert other.stdout is not None

            def ask(line: bytes) -> None:
                assert other.stdin is not None
                other.stdin.write(line)
                other.stdin.flush()

            ask(b"a\n")
            assert other.stdout.readline() == b"a\n"
            proxies.cut_process(other.pid)
            ask(b"b\n")
            os.set_blocking(other.stdout.fileno(), False)
            here.sendall(b"1")
            assert here.recv(10) == b"1"
            assert other.stdout.read() is None
            os.set_blocking(other.stdout.fileno(), True)
            proxies.mend()
            assert other.stdout.readline() == b"b\n"
            other.stdin.close()
