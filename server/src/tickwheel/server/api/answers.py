"""Jobs as they are answered, with what is to come."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from tickwheel.server.api.counting import occurrences_done
from tickwheel.server.api.next_runs import next_run_ms
from tickwheel.server.convert.job import job_message, put_job
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store
from tickwheel.v1 import job_pb2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes the contract's messages of jobs."""

    store: Store
    clock: Clock

    async def alone(self, job: Job, recent: Sequence[Run] = ()) -> job_pb2.Job:
        """The answer of a method that gives one job."""
        now_ms = self.clock.now_ms()
        return job_message(
            job, next_run_ms(job, now_ms, done=await self._done(job, now_ms)), recent
        )

    async def _done(self, job: Job, now_ms: int) -> int:
        """What was counted so far towards `max_runs`, as far as it can be read.

        What was asked for is done by now: the store's silence about this must not deny it.
        """
        try:
            return await occurrences_done(self.store.schedule, job, now_ms) or 0
        except StoreUnavailable as error:
            _log.info("what is counted of a job is not told", job=str(job.name), why=error.message)
            return 0

    def put_among_many(self, job: Job, message: job_pb2.Job) -> None:
        """Writes the job into an empty message of a list.

        Where its schedule has `max_runs`, next_run_times may go beyond the last one: what was
        counted so far would take a read for each job.
        """
        put_job(job, message, next_run_ms(job, self.clock.now_ms()))
