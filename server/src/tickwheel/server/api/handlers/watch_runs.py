"""WatchRuns."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from tickwheel.server.api.commands.watch_runs import OLDEST_MS, WatchRuns
from tickwheel.server.api.filter import run_filter
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.server.api.watch.position import Position
from tickwheel.server.convert.run import run_message
from tickwheel.server.domain.clock import Clock
from tickwheel.v1 import errors_pb2, job_service_pb2


@dataclass(frozen=True, slots=True)
class WatchRunsHandler:
    """Serves JobService.WatchRuns."""

    command: WatchRuns
    clock: Clock

    async def __call__(
        self, request: job_service_pb2.WatchRunsRequest
    ) -> AsyncGenerator[job_service_pb2.WatchRunsResponse]:
        """Streams runs, each with a token to go on from."""
        check(request)
        wanted = run_filter(request.filter)
        scope = TokenScope(
            "watch",
            request.parent,
            request.filter,
            field="resumeToken",
            reason=errors_pb2.RESUME_TOKEN_INVALID,
        )
        resume = self._position(scope, request.resume_token)
        stream = self.command.run(job_name(request.parent), wanted, resume)
        async with aclosing(stream) as found:
            async for seen in found:
                yield job_service_pb2.WatchRunsResponse(
                    run=None if seen.run is None else run_message(seen.run),
                    resume_token=scope.encode(seen.position.encode()),
                )

    def _position(self, scope: TokenScope, token: str) -> Position | None:
        if not token:
            return None
        with scope.refusing(token):
            position = Position.decode(scope.decode(token))
        if position.since_ms < self.clock.now_ms() - OLDEST_MS:
            raise scope.refused("is more than a day old")
        return position
