"""BatchCreateJobs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.server.api.commands.creation import Creation
from tickwheel.server.domain.errors import TickwheelError
from tickwheel.server.domain.job import Job
from tickwheel.server.store.port import NewJob
from tickwheel.v1 import job_service_pb2

#: Items between two pauses, in which the event loop serves others.
_STRETCH = 100

#: An item of a batch: a request that obeys the contract's rules, or why it does not.
Item = job_service_pb2.CreateJobRequest | TickwheelError


@dataclass(frozen=True, slots=True)
class BatchCreateJobs:
    """Creates many jobs, each by itself, with one call of the store."""

    creation: Creation

    async def run(self, user: str, items: Sequence[Item]) -> list[Job | TickwheelError]:
        """One result for each item, in order."""
        results: dict[int, Job | TickwheelError] = {}
        new: dict[int, NewJob] = {}
        segments = await self.creation.segments.count()
        for index, item in enumerate(items):
            if index % _STRETCH == _STRETCH - 1:
                await asyncio.sleep(0)
            if isinstance(item, TickwheelError):
                results[index] = item
                continue
            try:
                path = f"requests[{index}].job"
                prepared = self.creation.prepare(user, item, segments, path)
                if item.validate_only:
                    results[index] = await self.creation.rehearse(prepared)
                else:
                    new[index] = prepared
            except TickwheelError as error:
                results[index] = error
        if new:
            stored = await self.creation.store_all(list(new.values()))
            results.update(zip(new, stored, strict=True))
        return [results[index] for index in range(len(items))]
