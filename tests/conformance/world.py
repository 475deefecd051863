"""What a case acts in: a store, a user nobody else uses, and makers of domain values."""

import itertools
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, TypeVar

from google.protobuf import duration_pb2, timestamp_pb2
from typing_extensions import Unpack

from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.lease import SegmentLease, WriteStamp
from tickwheel.server.domain.names import instant_id, new_uid, segment_of
from tickwheel.server.domain.occurrence import EntryKind, InboxEntry, ScheduleEntry
from tickwheel.server.domain.run import PastAttempt, Run, RunState, Trigger
from tickwheel.server.store.port import Created, JobChange, NewJob, Page, Store
from tickwheel.v1 import job_pb2, schedule_pb2, target_pb2

T = TypeVar("T")

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class RunFields(TypedDict, total=False):
    """Fields of a Run that a case sets itself."""

    state: RunState
    trigger: Trigger
    run_id: str
    due_ms: int
    update_ms: int
    revision: int
    publish_ms: int
    start_ms: int
    end_ms: int
    attempt: int
    past_attempts: tuple[PastAttempt, ...]
    epoch: int
    worker: str
    topic: str
    partition: int
    offset: int
    error: str
    skip_reason: int
    skipped_count: int
    first_schedule_ms: int
    last_schedule_ms: int
    traceparent: str
    retention_ms: int
    create_ms: int
    attempt_due_ms: int
    executor: str
    error_details: str
    progress_message: str
    result: bytes
    detail: bytes


class EntryFields(TypedDict, total=False):
    """Fields of a ScheduleEntry that a case sets itself."""

    kind: EntryKind
    generation: int
    schedule_ms: int
    due_ms: int
    ordinal: int
    run_id: str
    attempt: int
    detail: bytes


@dataclass
class Owner:
    """An owner of a segment, as the store knows it."""

    lease: SegmentLease
    clock: SystemClock
    last_us: int

    def stamp(self) -> WriteStamp:
        """A stamp for the next write, later than all before it."""
        self.last_us = max(self.clock.now_us(), self.last_us + 1)
        return WriteStamp(self.lease.segment, self.lease.epoch, self.last_us)


class World:
    """One case's surroundings."""

    def __init__(self, store: Store, segments: int) -> None:
        self.store = store
        self.segments = segments
        self.clock = SystemClock()
        self.user = f"u-{uuid.uuid4().hex[:12]}"
        self._serial = itertools.count()

    @classmethod
    async def of(cls, store: Store) -> "World":
        return cls(store, await store.leases.segment_count())

    def other_user(self) -> str:
        """One more user nobody else uses."""
        return f"{self.user}.{next(self._serial)}"

    def job_id(self) -> str:
        """A job id that is free."""
        return f"job-{next(self._serial)}"

    def now_ms(self) -> int:
        return self.clock.now_ms()

    # -- jobs --------------------------------------------------------------------------------

    def job(
        self,
        job_id: str | None = None,
        *,
        user: str | None = None,
        segment: int | None = None,
        payload: Payload | None = None,
        spec: job_pb2.Job | None = None,
    ) -> Job:
        """A job that is not yet stored; its id is its uid unless one is given."""
        uid = new_uid()
        if segment is not None:
            uid = f"{uid[:-3]}{segment:03x}"
        now_ms = self.now_ms()
        return Job(
            user=user or self.user,
            uid=uid,
            job_id=job_id or uid,
            segment=segment_of(uid, self.segments),
            spec=spec or a_spec(),
            payload=payload or Payload(PayloadKind.JSON, b'{"report":"daily"}'),
            create_ms=now_ms,
            update_ms=now_ms,
            schedule_from_ms=now_ms,
            traceparent=f"00-{uid.replace('-', '')}-00f067aa0ba902b7-01",
        )

    def entry(self, job: Job, fire_ms: int, **fields: Unpack[EntryFields]) -> ScheduleEntry:
        """A schedule entry of a job."""
        entry = ScheduleEntry(
            segment=job.segment,
            fire_ms=fire_ms,
            user=job.user,
            uid=job.uid,
            generation=job.generation,
            schedule_ms=fire_ms,
            due_ms=fire_ms,
        )
        return replace(entry, **fields)

    def inbox(
        self, job: Job, entry: ScheduleEntry | None = None, write_ms: int | None = None
    ) -> InboxEntry:
        """An inbox entry about a job."""
        return InboxEntry(
            segment=job.segment,
            write_ms=self.now_ms() if write_ms is None else write_ms,
            user=job.user,
            uid=job.uid,
            version=job.version,
            entry=entry,
        )

    async def create(self, *jobs: Job, chosen: bool = False) -> None:
        """Stores jobs without schedule entries."""
        results = await self.store.jobs.create(
            [NewJob(job=job, entry=None, id_chosen=chosen) for job in jobs]
        )
        assert results == [Created(job) for job in jobs]

    def changed(
        self,
        before: Job,
        after: Job,
        *,
        entry: ScheduleEntry | None = None,
        actor: str = "",
        reason: str = "",
    ) -> JobChange:
        """A change to `after`, which gets the next version."""
        after = replace(after, version=before.version + 1, update_ms=self.now_ms())
        return JobChange(
            before=before,
            after=after,
            entry=entry,
            inbox=self.inbox(after, entry),
            actor=actor,
            reason=reason,
        )

    async def delete(self, job: Job) -> Job:
        """Deletes a job in the version that is given."""
        change = self.changed(job, replace(job, delete_ms=self.now_ms()))
        deleted = await self.store.jobs.change(change)
        assert deleted == change.after
        return change.after

    # -- segments ----------------------------------------------------------------------------

    async def own(self, segment: int) -> Owner:
        """Takes a segment, whoever had it."""
        current = (await self.store.leases.segments())[segment]
        floor_us = max(self.clock.now_us(), current.floor_us + 1)
        lease = SegmentLease(
            segment=segment,
            epoch=current.epoch + 1,
            session_id=f"s-{uuid.uuid4()}",
            address="local",
            floor_us=floor_us,
        )
        assert await self.store.leases.take_segment(current, lease)
        return Owner(lease, self.clock, floor_us)

    # -- runs --------------------------------------------------------------------------------

    def run(self, job: Job, schedule_ms: int, **fields: Unpack[RunFields]) -> Run:
        """A run of a job, succeeded unless it is said otherwise."""
        run = Run(
            user=job.user,
            job_id=job.job_id,
            job_uid=job.uid,
            run_id=instant_id(schedule_ms),
            segment=job.segment,
            state=RunState.SUCCEEDED,
            trigger=Trigger.SCHEDULE,
            schedule_ms=schedule_ms,
            due_ms=schedule_ms,
            update_ms=self.now_ms(),
        )
        return replace(run, **fields)

    # -- reading -----------------------------------------------------------------------------

    async def due(
        self, job: Job, start_ms: int, end_ms: int, segments: Sequence[int] | None = None
    ) -> list[ScheduleEntry]:
        """What is due in the job's segment (or those given), of this world's users only."""
        wanted = [job.segment] if segments is None else segments
        entries = await self.store.schedule.read_due(wanted, start_ms, end_ms)
        return [entry for entry in entries if entry.user.startswith(self.user)]

    async def inbox_of(
        self, segments: Sequence[int], since_ms: int, until_ms: int | None = None
    ) -> list[InboxEntry]:
        """What is in the inboxes, of this world's users only."""
        entries = await self.store.schedule.read_inbox(segments, since_ms, until_ms)
        return [entry for entry in entries if entry.user.startswith(self.user)]

    async def log_of(self, segments: Sequence[int], since_ms: int) -> list[Run]:
        """What is in the run log, of this world's users only."""
        runs = await self.store.runs.read_log(segments, since_ms)
        return [run for run in runs if run.user.startswith(self.user)]

    async def open_of(self, segments: Sequence[int]) -> list[Run]:
        """The open runs of this world's users only, in a fixed order."""
        runs = await self.store.open_runs.read(segments)
        mine = [run for run in runs if run.user.startswith(self.user)]
        return sorted(mine, key=lambda run: (run.segment, run.create_ms, run.job_uid, run.run_id))


async def all_pages(
    fetch: Callable[[bytes], Awaitable[Page[T]]], *, most: int = 500
) -> list[list[T]]:
    """Pages from the first to the last one, none of them dropped."""
    pages: list[list[T]] = []
    cursor = b""
    for _ in range(most):
        page = await fetch(cursor)
        pages.append(list(page.items))
        if page.cursor is None:
            return pages
        assert page.cursor != b""
        cursor = page.cursor
    raise AssertionError(f"no end after {most} pages")


async def all_items(fetch: Callable[[bytes], Awaitable[Page[T]]], *, most: int = 500) -> list[T]:
    """The items of all pages."""
    return [item for page in await all_pages(fetch, most=most) for item in page]


def a_spec(cron: str = "30 2 * * *", *, retention_s: int = 604_800) -> job_pb2.Job:
    """A client's message with its defaults filled in, as the api stores it."""
    return job_pb2.Job(
        schedule=schedule_pb2.Schedule(cron=cron, time_zone="Europe/Berlin"),
        target=target_pb2.Target(topic="billing", type="tickwheel.run"),
        completion=job_pb2.COMPLETION_PUBLISHED,
        run_timeout=duration_pb2.Duration(seconds=60),
        retry_policy=job_pb2.RetryPolicy(max_retry_count=3),
        overlap_policy=job_pb2.OVERLAP_SKIP,
        catch_up_window=duration_pb2.Duration(seconds=3600),
        priority=5,
        retention=duration_pb2.Duration(seconds=retention_s),
    )


def a_one_off_spec(at_ms: int, *, retention_s: int = 604_800) -> job_pb2.Job:
    """The same for a job that runs once."""
    spec = a_spec(retention_s=retention_s)
    at = timestamp_pb2.Timestamp(seconds=at_ms // 1000, nanos=at_ms % 1000 * 1_000_000)
    spec.schedule.CopyFrom(schedule_pb2.Schedule(at=at, time_zone="UTC"))
    return spec
