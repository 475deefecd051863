"""Calls that the cluster could not serve at the moment are made again, and counted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc

from tickwheel.v1 import job_pb2, job_service_pb2

T = TypeVar("T")

ATTEMPTS = 10
_PAUSE_S = 0.2
#: google.rpc.Code
_UNAVAILABLE = 14

BatchCreate = Callable[
    [job_service_pb2.BatchCreateJobsRequest],
    Awaitable[job_service_pb2.BatchCreateJobsResponse],
]


class Repeats:
    """Makes calls until they are served.

    What is repeated without a request_id may exist twice: such jobs belong to nobody.
    """

    def __init__(self) -> None:
        #: Calls, or jobs of a batch, that were made again.
        self.count = 0

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Makes a call, again while it ends with UNAVAILABLE.

        Raises:
            grpc.aio.AioRpcError: it was refused, or not served in ten attempts.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == ATTEMPTS:
                    raise
            self.count += 1
            await asyncio.sleep(_PAUSE_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    async def batch(
        self, create: BatchCreate, batch: job_service_pb2.BatchCreateJobsRequest
    ) -> list[job_pb2.Job]:
        """Creates the jobs of a batch, in order.

        Raises:
            RuntimeError: one was refused, or not stored in ten attempts.
        """
        made: list[job_pb2.Job | None] = [None] * len(batch.requests)
        left: Sequence[int] = range(len(made))
        for attempt in range(1, ATTEMPTS + 1):
            part = job_service_pb2.BatchCreateJobsRequest(
                parent=batch.parent, requests=[batch.requests[place] for place in left]
            )
            response = await self.call(lambda part=part: create(part))
            again: list[int] = []
            for place, each in zip(left, response.results, strict=True):
                if not each.HasField("error"):
                    made[place] = each.job
                elif each.error.code == _UNAVAILABLE and attempt < ATTEMPTS:
                    again.append(place)
                else:
                    raise RuntimeError(f"a job was refused: {each.error.message}")
            if not again:
                return [job for job in made if job is not None]
            left = again
            self.count += len(again)
            await asyncio.sleep(_PAUSE_S * attempt)
        raise AssertionError("the last attempt returns or raises")
