import json
import os
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.peers import program
from bench.peers.port import Order, Peer
from bench.peers.run import PEERS, choose, suited
from bench.peers.stamps import Stamper, count, read
from tickwheel.server.bench.workloads import FULL, Burst, Steady, Submit


def test_peers_are_chosen_by_name() -> None:
    assert choose("") == []
    assert [peer.name for peer in choose("River, celery")] == ["celery", "river"]
    assert choose("all") == list(PEERS)
    with pytest.raises(ValueError, match="there is no peer quartz: they are all, celery"):
        choose("river,quartz")


def submits(peer: Peer) -> list[Submit]:
    return [work for each in FULL if isinstance(work := suited(each, peer), Submit)]


def test_peers_run_what_is_not_about_our_api() -> None:
    (celery, *_, river) = PEERS
    found = submits(river)
    assert {(each.api, each.ids) for each in found} == {("grpc", "server")}
    assert len({each.alike for each in found}) == len(found) == 4
    assert submits(celery) == [each for each in found if each.batch == 1]
    assert suited(Steady(1, 1, 1), celery)
    assert suited(Burst(1, 1, restart=False), celery)
    # A peer's burst is one in handlers.
    assert not suited(Burst(1, 1, restart=False, handlers="published"), celery)


def test_an_order_becomes_jobs_of_requests_with_the_warming_ones_apart() -> None:
    due = datetime(2026, 11, 27, 12, tzinfo=UTC)
    order = Order(
        first=100,
        count=5,
        batch=2,
        clients=3,
        warm_up=2,
        due_us=int(due.timestamp()) * 1_000_000,
        apart_us=1.5,
        payload=4,
    )
    task = program.task(json.dumps(asdict(order)))
    assert [[job.number for job in request] for request in task.requests] == [
        [100, 101],
        [102, 103],
        [104],
    ]
    assert [[job.number for job in request] for request in task.warm_up] == [[105, 106]]
    assert (task.clients, task.payload) == (3, "xxxx")
    assert task.requests[0][0].due == due
    assert task.requests[1][1].due == due.replace(microsecond=4)


def test_stamps_of_processes_are_counted_and_read(tmp_path: Path) -> None:
    stamp = Stamper(tmp_path)
    before_us = time.time_ns() // 1_000
    stamp(7)
    child = os.posix_spawn(
        sys.executable,
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from bench.peers.stamps import Stamper\n"
            "Stamper(Path(sys.argv[1]))(9_000_000_001)",
            str(tmp_path),
        ],
        {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count(tmp_path) == 2
    found = read(tmp_path)
    assert {each.number for each in found} == {7, 9_000_000_001}
    assert all(before_us <= each.at_us <= time.time_ns() // 1_000 for each in found)


def test_a_line_that_is_not_whole_yet_is_no_stamp(tmp_path: Path) -> None:
    Stamper(tmp_path)(7)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"0000000008 17")
    assert count(tmp_path) == len(read(tmp_path)) == 1
