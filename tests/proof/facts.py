"""A past that an audit looks at: a store and an embedded log on disk, and what happened in them."""

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import duration_pb2

from conformance.world import Owner, World, a_spec
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import Run
from tickwheel.server.proof.auditor import Auditor
from tickwheel.server.proof.embedded_log import EmbeddedLog
from tickwheel.server.proof.notebook import Notebook, Progress
from tickwheel.server.proof.scope import Scope
from tickwheel.server.records.log import RecordLog
from tickwheel.server.store.port import JobChange, NewJob, Store
from tickwheel.server.store.sqlite import open_sqlite, read_sqlite
from tickwheel.v1 import job_pb2, schedule_pb2
from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Permit
from tickwheel.worker.publisher.records import record_of

TOPIC = "billing"
LENGTH_MS = 60_000
#: The audited minute, a while ago.
END_MS = SystemClock().now_ms() // 1000 * 1000 - 600_000
START_MS = END_MS - LENGTH_MS


class PastClock(SystemClock):
    """Stamps what is put on the log with the instant at which it is said to have come."""

    at_ms = START_MS

    def now_ms(self) -> int:
        return self.at_ms


@dataclass
class Past:
    """What happened."""

    folder: Path
    world: World
    log: RecordLog
    log_clock: PastClock
    owners: dict[int, Owner] = field(default_factory=dict[int, Owner])

    async def job(
        self,
        every_s: int = 5,
        job_id: str = "",
        retention_s: int = 604_800,
        created_ms: int = START_MS - 3_600_000,
        at_ms: int = 0,
        reported: bool = False,
    ) -> Job:
        """A job that was made an hour before the range, or when it is said.

        Args:
            every_s: how often it is due, where it is not a one-off one.
            job_id: is its uid where empty.
            retention_s: how long its runs are kept.
            created_ms: when it was made.
            at_ms: when it is due, once; 0: it recurs.
            reported: whether executors say how its runs end.
        """
        made = self.world.job(job_id or None, payload=Payload(PayloadKind.TEXT, b"content"))
        spec = a_spec(retention_s=retention_s)
        every = duration_pb2.Duration(seconds=every_s)
        spec.schedule.CopyFrom(schedule_pb2.Schedule(every=every, time_zone="UTC"))
        if reported:
            spec.completion = job_pb2.COMPLETION_REPORTED
        if at_ms:
            spec.schedule.at.FromMilliseconds(at_ms)
        job = dataclasses.replace(
            made,
            spec=spec,
            create_ms=created_ms,
            update_ms=created_ms,
            schedule_from_ms=created_ms,
        )
        await self.world.store.jobs.create([NewJob(job=job, entry=None, id_chosen=bool(job_id))])
        return job

    async def change(self, job: Job, at_ms: int, **fields: object) -> Job:
        """Changes a job at an instant of the past."""
        after = dataclasses.replace(job, **fields, version=job.version + 1, update_ms=at_ms)
        change = JobChange(before=job, after=after, entry=None, inbox=self.world.inbox(after))
        assert await self.world.store.jobs.change(change) is not None
        return after

    async def publish(
        self,
        job: Job,
        at_ms: int,
        *,
        late_ms: int = 3,
        epoch: int = 1,
        value: bytes | None = None,
        run_id: str = "",
        attempt: int = 1,
    ) -> Run:
        """Puts an occurrence's record on the log; returns its run, which is not recorded yet."""
        run = self.world.run(
            job,
            at_ms,
            update_ms=at_ms + late_ms,
            topic=TOPIC,
            run_id=run_id or instant_id(at_ms),
            attempt=attempt,
        )
        assignment = pb.Assignment(
            key=pb.RunKey(job_uid=job.uid, run_id=run.run_id, attempt=attempt),
            epoch=epoch,
            due_ms=at_ms,
            schedule_ms=at_ms,
            job_name=str(job.name),
            topic=TOPIC,
            key_text=str(job.name),
            type="tickwheel.run",
            payload=job.payload.data if value is None else value,
        )
        self.log_clock.at_ms = at_ms + late_ms
        (place,) = await self.log.append([record_of(assignment, Permit(), 0)])
        return dataclasses.replace(run, partition=place.partition, offset=place.offset)

    async def record(self, *runs: Run) -> None:
        """Writes runs into the history."""
        for run in runs:
            if run.segment not in self.owners:
                self.owners[run.segment] = await self.world.own(run.segment)
            await self.world.store.runs.record(self.owners[run.segment].stamp(), [run])

    async def fire(self, job: Job, start_ms: int = START_MS, end_ms: int = END_MS) -> list[Run]:
        """All occurrences of a stretch, published and recorded."""
        step_ms = job.spec.schedule.every.seconds * 1000
        first_ms = start_ms + (job.create_ms - start_ms) % step_ms
        runs = [await self.publish(job, at) for at in range(first_ms, end_ms, step_ms)]
        await self.record(*runs)
        return runs

    def scope(self) -> Scope:
        return Scope(start_ms=START_MS, end_ms=END_MS)

    async def audit(
        self,
        scope: Scope | None = None,
        notebook: Notebook | None = None,
        store: Store | None = None,
    ) -> tuple[Progress, dict[str, int], list[str]]:
        """What an audit counts, its findings by kind, and each of them."""
        scope = scope or self.scope()
        notebook = notebook or Notebook.open(None, scope.to_json(), "")
        read = store or await read_sqlite(self.folder / "tickwheel.db", SystemClock())
        log = EmbeddedLog(self.folder / "records.db")
        try:
            auditor = Auditor(read, log, notebook, scope, SystemClock(), _silent)
            progress = await auditor.run()
            return progress, notebook.finding_counts(), [str(one) for one in notebook.findings()]
        finally:
            await log.close()
            if store is None:
                await read.close()


def _silent(_phase: str, _done: int, _total: int) -> None:
    pass


@asynccontextmanager
async def past(folder: Path, store: Store | None = None) -> AsyncGenerator[Past]:
    """An empty past in a folder, or in a store of its own."""
    clock = PastClock()
    there = store or await open_sqlite(folder / "tickwheel.db", clock=SystemClock())
    log = await RecordLog.open(folder / "records.db", clock)
    try:
        yield Past(folder, await World.of(there), log, clock)
    finally:
        await log.close()
        if store is None:
            await there.close()
