"""ClusterService, with schedulers that are played."""

from dataclasses import replace

import pytest

from api.harness import PARENT, ApiUnderTest, refused
from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.domain.lease import SESSION_LEASE_MS, SchedulerSession
from tickwheel.v1 import cluster_service_pb2 as pb


class Playing:
    """A scheduler with a worker."""

    def __init__(self, session_id: str, worker: pb.Worker, *, lag_s: int = 0) -> None:
        self.stopped: list[str] = []
        self._worker = worker
        self._scheduler = pb.Scheduler(
            name=f"cluster/schedulers/{session_id}", version="1", answering=True
        )
        self._scheduler.lag.FromSeconds(lag_s)

    async def describe(self) -> owner_service_pb2.DescribeSchedulerResponse:
        return owner_service_pb2.DescribeSchedulerResponse(
            scheduler=self._scheduler, workers=[self._worker]
        )

    async def stop_worker(self, worker_id: str) -> owner_service_pb2.StopWorkerResponse:
        response = owner_service_pb2.StopWorkerResponse()
        if self._worker.name == f"cluster/workers/{worker_id}":
            self.stopped.append(worker_id)
            response.worker.CopyFrom(self._worker)
            response.worker.draining = True
        return response


def seen(connected_s: int, silent_ms: int, apart_ms: int, *segments: int) -> pb.Worker:
    """One worker as one scheduler sees it."""
    worker = pb.Worker(name="cluster/workers/w1", segments=segments, held_count=2, held_bytes=200)
    worker.connect_time.FromSeconds(connected_s)
    worker.heartbeat_age.FromMilliseconds(silent_ms)
    worker.clock_offset.FromMilliseconds(apart_ms)
    return worker


async def two(api: ApiUnderTest) -> tuple[Playing, Playing]:
    """Schedulers a and b, which both see the worker w1; a owns segment 3."""
    played: list[Playing] = []
    for session_id, worker, lag_s in (
        ("a", seen(100, 30, -4, 3, 5), 0),
        ("b", seen(90, 400, 3, 4), 7),
    ):
        await api.store.leases.open_session(
            SchedulerSession(
                session_id=session_id, address=f"{session_id}:7420", beat=1, lease_until_ms=0
            )
        )
        played.append(Playing(session_id, worker, lag_s=lag_s))
        api.owners.endpoints[f"{session_id}:7420"] = played[-1]
    current = (await api.store.leases.segments())[3]
    lease = replace(current, epoch=1, session_id="a", address="a:7420")
    assert await api.store.leases.take_segment(current, lease)
    return played[0], played[1]


async def cluster(api: ApiUnderTest) -> pb.Cluster:
    return await api.cluster.GetCluster(pb.GetClusterRequest())


async def test_a_worker_of_two_schedulers_is_one(api: ApiUnderTest) -> None:
    await two(api)
    found = await cluster(api)
    assert found.engine == "cassandra-kafka"
    assert found.segment_count - 1 == len(found.unowned_segments)
    assert 3 not in found.unowned_segments
    assert found.lag.ToSeconds() == 7
    (worker,) = found.workers
    assert (list(worker.segments), worker.held_count, worker.held_bytes) == ([3, 4, 5], 4, 400)
    assert worker.connect_time.ToSeconds() == 90
    assert worker.heartbeat_age.ToMilliseconds() == 400
    assert worker.clock_offset.ToMilliseconds() == -4


async def test_a_scheduler_that_does_not_answer_is_shown_by_its_session(api: ApiUnderTest) -> None:
    await two(api)
    del api.owners.endpoints["a:7420"]
    found = await cluster(api)
    silent = found.schedulers[0]
    assert (silent.name, silent.address, silent.answering) == (
        "cluster/schedulers/a",
        "a:7420",
        False,
    )
    assert [one.segment for one in silent.segments] == [3]
    # Its lease is over, so nobody fires the segment.
    assert silent.heartbeat_age.ToMilliseconds() > 0
    assert 3 in found.unowned_segments
    assert len(found.unowned_segments) == found.segment_count


async def test_draining_is_told_to_all_who_know_the_worker(api: ApiUnderTest) -> None:
    a, b = await two(api)
    worker = await api.cluster.DrainWorker(pb.DrainWorkerRequest(name="cluster/workers/w1"))
    assert worker.draining
    assert (a.stopped, b.stopped) == (["w1"], ["w1"])


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_worker_that_nobody_knows(api: ApiUnderTest, is_silent: bool) -> None:
    await two(api)
    await api.store.leases.close_session("test-owner")
    if is_silent:
        del api.owners.endpoints["b:7420"]
    refusal = await refused(
        api.cluster.DrainWorker(pb.DrainWorkerRequest(name="cluster/workers/nobody"))
    )
    assert (refusal.code_name, refusal.reason) == (
        ("UNAVAILABLE", "SEGMENT_UNOWNED") if is_silent else ("NOT_FOUND", "WORKER_NOT_FOUND")
    )


async def test_a_name_that_is_none(api: ApiUnderTest) -> None:
    refusal = await refused(api.cluster.DrainWorker(pb.DrainWorkerRequest(name=f"{PARENT}/w")))
    assert (refusal.code_name, refusal.fields) == ("INVALID_ARGUMENT", ["name"])


async def test_since_when_it_is_silent_is_told_from_its_last_renewal(api: ApiUnderTest) -> None:
    until_ms = api.clock.now_ms() + SESSION_LEASE_MS - 4_000
    await api.store.leases.open_session(
        SchedulerSession(session_id="a", address="a:7420", beat=1, lease_until_ms=until_ms)
    )
    found = await cluster(api)
    (silent,) = [one for one in found.schedulers if one.name.endswith("/a")]
    assert (silent.answering, silent.heartbeat_age.ToMilliseconds()) == (False, 4_000)
