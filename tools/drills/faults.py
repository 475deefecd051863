"""The faults of a cluster. Each returns when it was."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from background.guard import RECORD
from background.process import end, recorded, spawn
from background.wait import until_ready
from localcluster.health import grpc_obstacle
from localcluster.layout import metrics_address

from drills.drill import Times, now_ms
from drills.load import Load
from drills.rig import Rig

Act = Callable[[Rig, Load], Times]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and what is promised about it."""

    name: str
    what: str
    act: Act
    #: Seconds until lateness is normal again.
    limit_s: float
    #: Seconds until anything is published again, where that is promised by itself.
    resume_limit_s: float | None = None
    #: The schedulers' streams to workers stay, and what these hold is not handed out again.
    streams_stay: bool = False
    #: Nobody notices: no retrying client is left with an error, and no record is there twice.
    unseen: bool = False
    #: It needs engines of three nodes.
    needs_nodes: bool = False


def _calm(_rig: Rig, load: Load) -> Times:
    since_ms = now_ms()
    load.pause_some()
    time.sleep(3)
    return Times(since_ms)


def _kill(name: str, *, seconds: float = 3) -> Act:
    def act(rig: Rig, load: Load) -> Times:
        since_ms = now_ms()
        rig.cluster.kill(name)
        load.pause_some()
        time.sleep(seconds)
        return Times(since_ms)

    return act


def _hang(name: str, seconds: float) -> Act:
    """Stands still past its lease, and wakes while others have taken over."""

    def act(rig: Rig, load: Load) -> Times:
        since_ms = now_ms()
        rig.cluster.pause(name)
        load.pause_some()
        time.sleep(seconds)
        woken_ms = now_ms()
        rig.cluster.resume(name)
        time.sleep(3)
        return Times(since_ms, woken_ms)

    return act


def _cut_worker(rig: Rig, load: Load) -> Times:
    process = rig.cluster.process("worker-1")
    if process is None:
        raise RuntimeError("worker-1 does not run")
    since_ms = now_ms()
    rig.proxies.cut_process(process.pid)
    load.pause_some()
    time.sleep(8)
    rig.proxies.mend()
    time.sleep(2)
    return Times(since_ms)


def _cut_scheduler(rig: Rig, load: Load) -> Times:
    rig.proxies.cut_target(rig.cluster.parts["scheduler-1"].address)
    load.pause_some()
    time.sleep(8)
    rig.proxies.mend()
    since_ms = now_ms()
    time.sleep(2)
    return Times(since_ms)


def _lose_node(rig: Rig, load: Load) -> Times:
    since_ms = now_ms()
    rig.cassandra.kill(1)
    load.pause_some()
    time.sleep(8)
    return Times(since_ms)


def _lose_broker(rig: Rig, load: Load) -> Times:
    since_ms = now_ms()
    rig.kafka.kill(1)
    load.pause_some()
    time.sleep(8)
    return Times(since_ms)


def _store_outage(rig: Rig, load: Load) -> Times:
    """Nothing answers, for longer than the schedulers' leases; then all goes on as it was."""
    for node in rig.cassandra.nodes:
        rig.cassandra.pause(node.number)
    load.pause_some()
    time.sleep(15)
    for node in rig.cassandra.nodes:
        rig.cassandra.resume(node.number)
    since_ms = now_ms()
    time.sleep(2)
    return Times(since_ms)


def _store_restart(rig: Rig, load: Load) -> Times:
    """Engines that have just begun are slow, so how long that takes says little of us."""
    for node in rig.cassandra.nodes:
        rig.cassandra.kill(node.number)
    load.pause_some()
    time.sleep(8)
    rig.cassandra.start()
    since_ms = now_ms()
    time.sleep(2)
    return Times(since_ms)


def _rolling_restart(rig: Rig, load: Load) -> Times:
    load.pause_some()
    for name in rig.cluster.parts:
        rig.cluster.stop(name)
        rig.cluster.start(name)
    if len(rig.cassandra.nodes) > 1:
        for instance in (rig.kafka, rig.cassandra):
            for node in instance.nodes:
                instance.stop_node(node.number)
                instance.start_node(node.number)
    return Times(now_ms())


def _stop_scheduler(rig: Rig, load: Load) -> Times:
    since_ms = now_ms()
    rig.cluster.stop("scheduler-1")
    load.pause_some()
    time.sleep(2)
    return Times(since_ms)


def _step_clock(off_ms: int) -> Act:
    """A worker that works, and whose clock then steps."""

    def act(rig: Rig, load: Load) -> Times:
        folder = rig.cluster.home / "worker-stepping"
        folder.mkdir(exist_ok=True)
        like = rig.cluster.parts["worker-1"]
        host = like.address.rpartition(":")[0]
        address = f"{host}:7460"
        process = spawn(
            [sys.executable, "-m", "drills.skewed_worker", str(off_ms), "8"],
            folder=folder,
            log=folder / "output.log",
            record=folder / RECORD,
            env={
                **rig.cluster.settings,
                **like.settings,
                "TICKWHEEL_WORKER_ID": "worker-stepping",
                "TICKWHEEL_WORKER_HEALTH_ADDRESS": address,
                "TICKWHEEL_METRICS_ADDRESS": metrics_address(address),
            },
        )
        until_ready(
            lambda: grpc_obstacle(address),
            running=lambda: recorded(folder / RECORD) is not None,
            what="the worker with the wrong clock",
            logs=[folder / "output.log"],
            timeout_s=120,
        )
        load.pause_some()
        stepped_ms = now_ms() + 8_000
        time.sleep(14)
        end([process], grace_s=10)
        return Times(stepped_ms)

    return act


FAULTS = (
    Fault("calm", "nothing happens", _calm, 5, unseen=True),
    Fault("kill-worker", "kill -9 of a worker", _kill("worker-1"), 10),
    Fault("kill-scheduler", "kill -9 of a scheduler", _kill("scheduler-1"), 15),
    Fault("kill-api", "kill -9 of the api that clients use", _kill("api-1"), 10, unseen=True),
    Fault("stop-scheduler", "a scheduler stops cleanly", _stop_scheduler, 5),
    Fault("hang-worker", "SIGSTOP of a worker past its lease", _hang("worker-1", 8), 10),
    Fault("hang-scheduler", "SIGSTOP of a scheduler past its lease", _hang("scheduler-1", 18), 15),
    Fault("cut-worker", "a worker is cut from all schedulers", _cut_worker, 10),
    Fault("cut-scheduler", "a scheduler is cut from workers and apis", _cut_scheduler, 10),
    Fault("fast-clock", "a worker's clock steps two seconds forward", _step_clock(2_000), 10),
    Fault("slow-clock", "a worker's clock steps two seconds back", _step_clock(-2_000), 10),
    Fault("lose-cassandra", "one Cassandra node is lost", _lose_node, 10, needs_nodes=True),
    Fault("lose-broker", "one broker is lost", _lose_broker, 15, needs_nodes=True),
    Fault(
        "store-outage",
        "all of Cassandra is away for longer than the leases, and comes back",
        _store_outage,
        15,
        5,
        streams_stay=True,
    ),
    Fault("store-restart", "all of Cassandra is killed, and started again", _store_restart, 180),
    Fault("rolling-restart", "everything is restarted, one by one", _rolling_restart, 10),
)
