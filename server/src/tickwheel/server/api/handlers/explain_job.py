"""ExplainJob."""

import struct
from dataclasses import dataclass

from google.protobuf import timestamp_pb2

from tickwheel.server.api.commands.explain_job import ExplainJob
from tickwheel.server.api.errors import invalid
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.api.paging import clamp_page_size, page_count
from tickwheel.server.api.resource_names import job_name
from tickwheel.server.api.rules import check
from tickwheel.server.convert.instants import (
    EARLIEST_S,
    LATEST_S,
    is_usable,
    timestamp,
    timestamp_ms,
)
from tickwheel.server.domain.clock import Clock
from tickwheel.v1 import errors_pb2, job_service_pb2

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
#: Where the next page begins, and the end of the range, which may be relative to the first call.
_CURSOR = struct.Struct(">qq")


@dataclass(frozen=True, slots=True)
class ExplainJobHandler:
    """Serves JobService.ExplainJob."""

    command: ExplainJob
    clock: Clock

    async def __call__(
        self, request: job_service_pb2.ExplainJobRequest
    ) -> job_service_pb2.ExplainJobResponse:
        """Answers with a page of occurrences."""
        clamp_page_size(request)
        check(request)
        start_ms = end_ms = None
        if request.HasField("start_time"):
            start_ms = _usable_ms(request.start_time, "startTime")
        if request.HasField("end_time"):
            end_ms = _usable_ms(request.end_time, "endTime")
        scope = TokenScope("explain", request.name, f"{start_ms}-{end_ms}")
        cursor = scope.decode(request.page_token)
        if cursor:
            with scope.refusing(request.page_token):
                from_ms, until_ms = _following(cursor)
        else:
            from_ms, until_ms = self._range(start_ms, end_ms)
        count = page_count(request.page_size)
        found = await self.command.run(job_name(request.name), from_ms, until_ms, count)
        response = job_service_pb2.ExplainJobResponse()
        for one in found.occurrences:
            response.occurrences.add(
                schedule_time=timestamp(one.at_ms),
                outcome=one.outcome,
                reason=one.reason,
                text=one.text,
                run=one.run,
            )
        if found.more:
            following = _CURSOR.pack(found.occurrences[-1].at_ms + 1, until_ms)
            response.next_page_token = scope.encode(following)
        return response

    def _range(self, start_ms: int | None, end_ms: int | None) -> tuple[int, int]:
        if end_ms is None:
            end_ms = self.clock.now_ms() + _HOUR_MS if start_ms is None else start_ms + _DAY_MS
        return (end_ms - _DAY_MS if start_ms is None else start_ms), end_ms


def _following(cursor: bytes) -> tuple[int, int]:
    """The range of which a cursor begins the next page.

    Raises:
        ValueError: there is no such range.
    """
    if len(cursor) != _CURSOR.size:
        raise ValueError("not a cursor")
    from_ms, until_ms = _CURSOR.unpack(cursor)
    # By default a range begins, or ends, a day beyond what may be asked for.
    first_ms, last_ms = EARLIEST_S * 1000 - _DAY_MS, (LATEST_S + 1) * 1000 + _DAY_MS
    if not first_ms <= from_ms < until_ms <= last_ms:
        raise ValueError("not a range")
    return from_ms, until_ms


def _usable_ms(instant: timestamp_pb2.Timestamp, path: str) -> int:
    if not is_usable(instant):
        raise invalid(errors_pb2.TIME_RANGE_INVALID, path, "the year must be from 1900 to 9999")
    return timestamp_ms(instant)
