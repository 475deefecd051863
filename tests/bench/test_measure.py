import os
import subprocess
import sys
import time

from tickwheel.server.bench.measure import (
    BENCH,
    Bill,
    Part,
    Reading,
    cpu_seconds,
    memory_mib,
    read_processes,
    tree_cpu_seconds,
    tree_mib,
)


def reading(cpu_s: float, pid: int, at_s: float, statements: int | None = None) -> Reading:
    return Reading({"worker": Part(pid)}, {"worker": cpu_s}, {"worker": 10}, statements, at_s)


def test_what_was_spent_between_two_readings() -> None:
    bill = Bill()
    bill.add(reading(5.0, 1, 0, 100), reading(5.5, 1, 2, 160))
    bill.add(reading(7.0, 1, 9, 200), reading(7.25, 1, 10, 210))
    assert bill.cpu_s == {"worker": 0.75}
    assert (bill.seconds, bill.statements) == (3, 70)
    (cost,) = bill.costs(3_000)
    assert (cost.process, cost.cpu_s_per_1000, cost.peak_mib) == ("worker", 0.25, 10)


def test_a_process_that_was_started_anew_counts_from_its_start() -> None:
    bill = Bill()
    bill.add(reading(5.0, 1, 0), reading(0.5, 2, 1))
    assert bill.cpu_s == {"worker": 0.5}
    assert bill.statements is None


def test_the_store_is_not_ours() -> None:
    parts = {"worker": Part(1), "kafka": Part(2, ours=False)}
    empty = Reading({}, {}, {}, None, 0)
    bill = Bill()
    bill.add(empty, Reading(parts, {"worker": 1.0, "kafka": 4.0}, {}, None, 1))
    assert bill.ours_cpu_s == 1.0


def test_this_process_is_read_beside_the_parts_and_one_that_ended_is_left_out() -> None:
    found = read_processes({"gone": Part(2**22 + 1)}, None)
    assert set(found.cpu_s) == {BENCH}
    assert found.peak_mib[BENCH] >= memory_mib(os.getpid(), "VmRSS") > 5


def test_cpu_time_counts_work() -> None:
    before, deadline = cpu_seconds(os.getpid()), time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.03


def test_a_tree_counts_children_while_they_run_and_once_they_have_ended() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    before, held = tree_cpu_seconds(os.getpid()), tree_mib(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        running = tree_cpu_seconds(os.getpid())
        assert running - before >= 0.15
        assert tree_mib(os.getpid()) > held
        assert tree_mib(os.getpid()) < held + memory_mib(child.pid, "VmRSS") + 50
        child.communicate(b"\n")
    assert tree_cpu_seconds(os.getpid()) >= running
    assert cpu_seconds(os.getpid()) < running
