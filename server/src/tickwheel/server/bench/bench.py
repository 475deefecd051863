"""What every workload needs: a cluster, a topic, readings, and jobs put in quickly."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import grpc

from tickwheel.client.channel import open_channel
from tickwheel.server.bench.cluster import Cluster
from tickwheel.server.bench.jobs import PARENT, batches
from tickwheel.server.bench.measure import Part, Reading, read_processes
from tickwheel.server.bench.repeat import Repeats
from tickwheel.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc

T = TypeVar("T")

BATCH = 1_000
_IN_FLIGHT = 4
_DELETES = 32
_TIMEOUT_S = 60.0

#: What owners read ahead, with room: from then on a run costs something.
AHEAD_S = 8.0
#: After the last run, outcomes are still being written.
SETTLE_S = 3.0
#: How long records are waited for after the last one was due, and after the last one that came.
PATIENCE_S = 60.0


class Bench:
    """A cluster under measurement.

    Args:
        cluster: which.
        say: takes a line on what is going on.
        stub: JobService of the cluster.
    """

    def __init__(
        self,
        cluster: Cluster,
        say: Callable[[str], None],
        stub: "job_service_pb2_grpc.JobServiceAsyncStub",
    ) -> None:
        self.cluster = cluster
        self.say = say
        self.stub = stub
        self.repeats = Repeats()
        #: Programs of users that a workload runs beside the cluster.
        self.programs: dict[str, Part] = {}
        self._made: list[str] = []

    async def reading(self) -> Reading:
        """What has been spent so far."""
        parts = {**self.cluster.parts(), **self.programs}
        return read_processes(parts, await self.cluster.statements())

    async def put_in(self, jobs: Sequence[job_pb2.Job], parent: str = PARENT) -> list[job_pb2.Job]:
        """Creates jobs in batches and returns them as created, in order.

        Raises:
            RuntimeError: one was refused.
        """
        answers = await in_parallel(
            _IN_FLIGHT,
            [partial(self.create_batch, batch) for batch in batches(jobs, BATCH, parent)],
        )
        made = [job for answer in answers for job in answer]
        self.made(job.name for job in made)
        return made

    async def create(self, request: job_service_pb2.CreateJobRequest) -> job_pb2.Job:
        """Creates one job."""
        return await self.repeats.call(lambda: self.stub.CreateJob(request, timeout=_TIMEOUT_S))

    async def create_batch(
        self, batch: job_service_pb2.BatchCreateJobsRequest
    ) -> list[job_pb2.Job]:
        """Creates the jobs of a batch, in order.

        Raises:
            RuntimeError: one was refused.
        """
        return await self.repeats.batch(
            lambda part: self.stub.BatchCreateJobs(part, timeout=_TIMEOUT_S), batch
        )

    def made(self, names: Iterable[str]) -> None:
        """Notes jobs that are to be deleted in the end, where the cluster is somebody's."""
        if not self.cluster.disposable:
            self._made.extend(names)

    async def clean(self) -> None:
        """Deletes what was made in somebody's cluster."""
        names, self._made = self._made, []
        await in_parallel(_DELETES, [partial(self._delete, name) for name in names])

    async def _delete(self, name: str) -> None:
        try:
            await self.stub.DeleteJob(
                job_service_pb2.DeleteJobRequest(name=name), timeout=_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise


@asynccontextmanager
async def bench_of(cluster: Cluster, say: Callable[[str], None]) -> AsyncGenerator[Bench]:
    """A bench on a running cluster; what it leaves in somebody's cluster is deleted."""
    async with open_channel(cluster.addresses.grpc) as channel:
        bench = Bench(cluster, say, job_service_pb2_grpc.JobServiceStub(channel))
        try:
            yield bench
        finally:
            await bench.clean()


async def in_parallel(workers: int, calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Makes the calls in order, so many at once, and returns the answers in order."""
    answers: dict[int, T] = {}
    waiting = iter(enumerate(calls))

    async def work() -> None:
        for number, call in waiting:
            answers[number] = await call()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
    return [answers[number] for number in range(len(calls))]


async def until(at_s: float) -> None:
    """Sleeps until `time.time()` has reached the instant."""
    # The wall clock can be stepped, and tells nobody.
    while (left := at_s - time.time()) > 0:  # noqa: ASYNC110
        await asyncio.sleep(left)


def whole_second_after(seconds: float) -> float:
    """The first whole second that is at least so far from now, as `time.time()` counts."""
    return float(int(time.time() + seconds) + 1)
