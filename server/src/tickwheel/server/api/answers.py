"""Jobs as they are answered, with what is to come."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.server.api.counting import occurrences_done
from tickwheel.server.api.next_runs import next_run_ms
from tickwheel.server.convert.job import job_message, put_job
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store
from tickwheel.v1 import job_pb2


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes the contract's messages of jobs."""

    store: Store
    clock: Clock

    async def alone(self, job: Job, recent: Sequence[Run] = ()) -> job_pb2.Job:
        """The answer of a method that gives one job."""
        now_ms = self.clock.now_ms()
        done = await occurrences_done(self.store.schedule, job, now_ms)
        return job_message(job, next_run_ms(job, now_ms, done=done or 0), recent)

    def put_among_many(self, job: Job, message: job_pb2.Job) -> None:
        """Writes the job into an empty message of a list.

        Where its schedule has `max_runs`, next_run_times may go beyond the last one: what was
        counted so far would take a read for each job.
        """
        put_job(job, message, next_run_ms(job, self.clock.now_ms()))
