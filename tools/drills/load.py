"""Clients under way: they create jobs all the time, and note what they were told."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from drills.targets import FOR_EVER_MS, Job
from tickwheel.client import ApiError, Client, RetryPolicy
from tickwheel.v1 import job_pb2, job_service_pb2, schedule_pb2, target_pb2

USER = "drills"
#: One-off jobs are due this long after they were asked for, so that an outage finds some due.
LEAD_S = 15.0
TICK_S = 0.5
_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Rates:
    """How much is asked for."""

    #: One-off jobs a second, over gRPC, in batches.
    one_off: int = 50
    #: Jobs that run each second.
    recurring: int = 30
    #: Of them, those that are paused in the middle.
    paused: int = 5
    payload: str = "x" * 200


class BrokenBeforeError(RuntimeError):
    """Calls failed before anything was broken."""


class Load:
    """Creates jobs on one topic from a thread of its own, from its beginning to `end`.

    A call that fails is repeated as the SDK's client does; one that fails for good is counted and
    promises nothing.
    """

    def __init__(self, address: str, topic: str, rates: Rates) -> None:
        """See above.

        Args:
            address: a gRPC name of the api; `ipv4:a,b` for several.
            topic: a fresh one.
            rates: how much.
        """
        self._address = address
        self._topic = topic
        self._rates = rates
        self._jobs: list[Job] = []
        self._names: dict[str, Job] = {}
        #: Calls made, and errors that a client was left with.
        self.calls = 0
        self.errors: list[str] = []
        #: The longest that a call took, repetitions included.
        self.slowest_s = 0.0
        self._begun = threading.Event()
        self._pausing = threading.Event()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def pause_some(self) -> None:
        """Has a few of the recurring jobs paused, from now on."""
        self._pausing.set()

    def end(self) -> list[Job]:
        """Stops creating and deletes the recurring jobs; returns all that is promised."""
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._jobs

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except BaseException as error:
            self._failure = error
        finally:
            self._begun.set()

    async def _work(self) -> None:
        retry = RetryPolicy(max_attempts=60, max_backoff=1.0)
        async with Client(self._address, timeout=40.0, retry=retry) as client:
            ahead = round(LEAD_S / TICK_S)
            now_ms = _now_ms()
            # What is due within the lead has to be there before anything breaks.
            await _few_at_a_time(
                [
                    *(
                        self._one_offs(client, now_ms + round((tick + 4) * TICK_S * 1000))
                        for tick in range(ahead)
                    ),
                    *(self._recurring(client) for _ in range(self._rates.recurring)),
                ]
            )
            if self.errors:
                raise BrokenBeforeError(f"nothing is broken yet, but: {self.errors[0]}")
            self._begun.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_creating(client, tasks, now_ms + (ahead + 4) * 500))
                tasks.create_task(self._keep_pausing(client))
            await _few_at_a_time(
                [
                    self._stop(name, job, client.delete_job(name))
                    for name, job in self._names.items()
                    if job.stop_asked_ms == FOR_EVER_MS
                ]
            )

    async def _keep_creating(self, client: Client, tasks: asyncio.TaskGroup, due_ms: int) -> None:
        while not self._ended.is_set():
            tasks.create_task(self._one_offs(client, due_ms))
            due_ms += round(TICK_S * 1000)
            await asyncio.sleep(TICK_S)

    async def _keep_pausing(self, client: Client) -> None:
        while not self._pausing.is_set():
            if self._ended.is_set():
                return
            await asyncio.sleep(0.05)
        some = list(self._names.items())[: self._rates.paused]
        await asyncio.gather(*(self._stop(name, job, client.pause_job(name)) for name, job in some))

    async def _one_offs(self, client: Client, due_ms: int) -> None:
        """Half a second's share, from an instant on."""
        count = max(1, round(self._rates.one_off * TICK_S))
        step_ms = TICK_S * 1000 / count
        dues = [due_ms + round(number * step_ms) for number in range(count)]
        requests = [job_service_pb2.CreateJobRequest(job=self._job(_at(due))) for due in dues]
        begun = time.monotonic()
        self.calls += 1
        try:
            results = await client.batch_create_jobs(f"users/{USER}", requests)
        except ApiError as error:
            self.errors.append(f"BatchCreateJobs: {error}")
            return
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        told_ms = _now_ms()
        for due, result in zip(dues, results, strict=True):
            if isinstance(result, ApiError):
                self.errors.append(f"BatchCreateJobs, one of them: {result}")
            else:
                self._jobs.append(Job(result.uid, due, told_ms=told_ms))

    async def _recurring(self, client: Client) -> None:
        schedule = schedule_pb2.Schedule()
        schedule.every.FromSeconds(1)
        self.calls += 1
        try:
            made = await client.create_job(f"users/{USER}", self._job(schedule))
        except ApiError as error:
            self.errors.append(f"CreateJob: {error}")
            return
        # It is counted from its creation, which is its first occurrence.
        job = Job(made.uid, made.create_time.ToMilliseconds(), 1_000)
        self._jobs.append(job)
        self._names[made.name] = job

    async def _stop(self, name: str, job: Job, call: Coroutine[Any, Any, object]) -> None:
        """Pauses or deletes; a promise only if it is acknowledged."""
        job.stop_asked_ms = _now_ms()
        self.calls += 1
        begun = time.monotonic()
        try:
            await call
        except ApiError as error:
            self.errors.append(f"{name}: {error}")
        else:
            job.stop_told_ms = _now_ms()
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)

    def _job(self, schedule: schedule_pb2.Schedule) -> job_pb2.Job:
        target = target_pb2.Target(topic=self._topic)
        target.payload.text = self._rates.payload
        return job_pb2.Job(schedule=schedule, target=target)


async def _few_at_a_time(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """As many side by side as a handful of clients would make."""
    room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def one(coroutine: Coroutine[Any, Any, None]) -> None:
        async with room:
            await coroutine

    await asyncio.gather(*(one(coroutine) for coroutine in work))


def _at(due_ms: int) -> schedule_pb2.Schedule:
    schedule = schedule_pb2.Schedule()
    schedule.at.FromMilliseconds(due_ms)
    return schedule


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
