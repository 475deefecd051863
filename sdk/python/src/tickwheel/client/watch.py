"""Watching runs over a stream that may break at any time."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import grpc

from tickwheel.client.errors import ApiError
from tickwheel.client.retry import RetryPolicy, may_retry
from tickwheel.v1 import job_service_pb2

if TYPE_CHECKING:
    from tickwheel.v1.job_service_pb2_grpc import JobServiceAsyncStub

_log = logging.getLogger(__name__)


async def watch_runs(
    stub: "JobServiceAsyncStub", request: job_service_pb2.WatchRunsRequest, retry: RetryPolicy
) -> AsyncGenerator[job_service_pb2.WatchRunsResponse, None]:
    """The messages of WatchRuns, over as many streams as it takes.

    A stream that breaks after its first message is resumed with the last token for as long as
    the caller listens; each try is logged as a warning. One that never begins is given up after
    `retry.max_attempts`.

    Raises:
        ApiError: the watch was refused, did not begin, or cannot be resumed
            (RESUME_TOKEN_INVALID).
    """
    failures = 0
    begun = False
    while True:
        stream = stub.WatchRuns(request)
        try:
            async for message in stream:
                failures = 0
                begun = True
                if message.resume_token:
                    request.resume_token = message.resume_token
                yield message
            # A watch has no end of its own: whoever ended it was about to stop.
            failure = ApiError(grpc.StatusCode.UNAVAILABLE, "the server ended the stream")
        except grpc.aio.AioRpcError as error:
            failure = ApiError.from_rpc_error(error)
            if not may_retry(failure, repeatable=True):
                raise failure from error
        finally:
            stream.cancel()
        failures += 1
        if not begun and failures >= retry.max_attempts:
            raise failure
        wait = retry.wait(failures, failure.retry_delay)
        if begun:
            _log.warning("the watch broke off (%s), resuming in %.1f s", failure.message, wait)
        await asyncio.sleep(wait)
