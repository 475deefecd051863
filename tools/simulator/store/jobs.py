"""Jobs, their names and their past."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import nlargest, nsmallest
from operator import itemgetter
from typing import Any, Final, cast

from typing_extensions import override

from simulator.store.cells import Cells, Former, JobRow, Request
from simulator.store.link import Kind, WritingLink
from simulator.store.schedule import entry_key, put_entries, put_inbox, remove_entries
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.lease import WriteStamp
from tickwheel.server.domain.names import JobKey, segment_of
from tickwheel.server.domain.occurrence import InboxEntry
from tickwheel.server.store.announcing import (
    COMMIT_KNOWN_MS,
    last_change,
    placed,
    placed_anew,
    promptly,
    stamped,
)
from tickwheel.server.store.port import (
    ChangeRecord,
    Created,
    CreateResult,
    IdContested,
    IdTaken,
    JobChange,
    JobStore,
    NewJob,
    Page,
    RequestReused,
)

#: As in store/cassandra/claims.py and entries.py.
COMMIT_WITHIN_MS: Final = 30_000
ABANDONED_MS: Final = 60_000
BEGUN_BEFORE_MS: Final = 10_000
CONTEST_WAIT_S: Final = 0.02
CONTEST_TRIES: Final = 150
API_SLACK_US: Final = 10_000_000


@dataclass(slots=True)
class _Draft:
    """One item of a creation on its way."""

    item: NewJob
    result: CreateResult | None = None
    requested: bool = False
    claimed: bool = False
    resumed: bool = False


class SimJobStore(JobStore):
    """As the port says, in the steps of the Cassandra engine."""

    def __init__(self, cells: Cells, link: WritingLink, clock: Clock) -> None:
        self._cells = cells
        self._link = link
        self._clock = clock

    # -- creating ----------------------------------------------------------------------------

    @override
    async def create(self, new: Sequence[NewJob]) -> list[CreateResult]:
        plain = [item for item in new if not item.id_chosen and not item.request_id]
        if len(plain) == len(new):
            await self._commit([_Draft(item) for item in new])
            return [Created(item.job) for item in new]
        return [await self._create_one(_Draft(item)) for item in new]

    @override
    async def remember_request(self, user: str, key: str, digest: bytes, uid: str) -> bytes:
        first = Request(digest, uid, self._clock.now_ms(), None)

        def claim() -> bytes:
            return self._cells.requests.setdefault((user, key), first).digest

        try:
            return await self._link.call(Kind.CONDITIONAL, claim)
        except OutcomeUnknown:
            return await self._link.call(Kind.CONDITIONAL, claim)

    @override
    async def recall_request(self, user: str, key: str) -> bytes | None:
        known = await self._link.call(Kind.READ, lambda: self._cells.requests.get((user, key)))
        return None if known is None else known.digest

    async def _create_one(self, draft: _Draft) -> CreateResult:
        deadline_ms = self._clock.steady_ms() + COMMIT_WITHIN_MS
        if draft.item.request_id:
            await self._request(draft)
        if draft.result is None and draft.item.id_chosen:
            await self._choose(draft)
        if draft.result is not None:
            return draft.result
        try:
            if self._clock.steady_ms() > deadline_ms:
                raise StoreUnavailable("the store is too slow to create jobs")
            await self._commit([draft])
        except StoreUnavailable as error:
            if not isinstance(error, OutcomeUnknown) and draft.claimed and not draft.requested:
                await self._link.call(Kind.CONDITIONAL, lambda: self._release_id(draft.item.job))
            raise
        return Created(draft.item.job, repeated=draft.resumed)

    async def _commit(self, drafts: Sequence[_Draft]) -> None:
        started_us = self._clock.now_us()
        items: list[NewJob] = []

        async def announce() -> None:
            now_us = self._clock.now_us()
            items[:] = [placed(draft.item, now_us // 1000) for draft in drafts]
            # Side by side, as they are in different partitions: one may be there long before the
            # other, or alone.
            writes = [
                self._link.write([partial(prepare, item, now_us - API_SLACK_US) for item in items])
            ]
            told = [item.inbox for item in items if item.inbox is not None]
            if told:
                writes.append(
                    self._link.write([partial(put_inbox, self._cells, [one]) for one in told])
                )
            results = await asyncio.gather(*writes, return_exceptions=True)
            for error in results:
                if error is not None:
                    raise error

        def prepare(item: NewJob, written_us: int) -> None:
            if item.entry is not None:
                put_entries(self._cells, [item.entry], written_us)
            if item.id_chosen:
                name = (item.job.user, item.job.job_id)
                self._cells.named.setdefault(name, {})[item.job.uid] = None

        def commit(item: NewJob) -> None:
            key = item.job.key
            if key not in self._cells.jobs and self._cells.buried_us.get(key, 0) < started_us:
                # Kept for those that may be asked for again.
                kept = item.entry if item.request_id else None
                self._cells.jobs[key] = JobRow(item.job, entry=kept)

        await promptly(self._clock, announce)
        announced_ms = self._clock.steady_ms()
        await self._link.write([partial(commit, item) for item in items])
        if self._clock.steady_ms() - announced_ms > COMMIT_KNOWN_MS:
            try:
                await promptly(self._clock, announce)
            except StoreUnavailable as error:
                raise OutcomeUnknown(error.message) from error

    async def _request(self, draft: _Draft) -> None:
        """Claims the request_id; an unfinished creation of its first use is finished."""
        item = draft.item
        name = (item.job.user, item.request_id)
        mine = Request(item.request_digest, item.job.uid, item.job.create_ms, item.entry)

        def claim() -> tuple[Request, Job | None]:
            first = self._cells.requests.setdefault(name, mine)
            row = self._cells.jobs.get(JobKey(item.job.user, first.uid))
            return first, None if row is None else _job(row)

        try:
            first, job = await self._link.call(Kind.CONDITIONAL, claim)
        except OutcomeUnknown:
            first, job = await self._link.call(Kind.CONDITIONAL, claim)
        if first.uid == item.job.uid:
            draft.requested = True
        elif first.digest != item.request_digest:
            draft.result = RequestReused()
        elif job is not None:
            await self.announce(job)
            draft.result = Created(job, repeated=True)
        else:
            draft.item = self._resumed(item, first)
            draft.resumed = draft.requested = True

    def _resumed(self, new: NewJob, first: Request) -> NewJob:
        now_ms = self._clock.now_ms()
        job = replace(
            new.job,
            uid=first.uid,
            job_id=new.job.job_id if new.id_chosen else first.uid,
            segment=segment_of(first.uid, len(self._cells.segments)),
            create_ms=first.create_ms,
            update_ms=first.create_ms,
            schedule_from_ms=first.create_ms,
        )
        return placed_anew(replace(new, job=job, entry=first.entry), now_ms)

    async def _choose(self, draft: _Draft) -> None:
        """Claims the chosen id."""
        job = draft.item.job
        for _ in range(CONTEST_TRIES):
            claim = partial(self._claim_id, job, self._clock.now_ms())
            try:
                taken = await self._link.call(Kind.CONDITIONAL, claim)
            except OutcomeUnknown:
                continue
            if taken is None:
                draft.claimed = True
                return
            if taken:
                draft.result = IdTaken()
                break
            await self._clock.sleep(CONTEST_WAIT_S)
        else:
            draft.result = IdContested()
        if draft.requested:
            await self._link.call(Kind.CONDITIONAL, lambda: self._release_request(draft.item))

    def _claim_id(self, job: Job, now_ms: int) -> bool | None:
        """None: it is the job's; True: a living job has it; False: someone is at work with it."""
        name = (job.user, job.job_id)
        other = self._cells.jobs.get(JobKey(job.user, job.job_id))
        if other is not None and other.job.uid != job.uid and not other.job.delete_ms:
            return True
        holder = self._cells.ids.get(name)
        if holder is not None and holder[0] != job.uid:
            key = JobKey(job.user, holder[0])
            row = self._cells.jobs.get(key)
            if row is not None and not row.job.delete_ms:
                return True
            if row is None:
                if now_ms - holder[1] <= ABANDONED_MS:
                    return False
                self._cells.buried_us[key] = (holder[1] + BEGUN_BEFORE_MS) * 1000
        self._cells.ids[name] = (job.uid, now_ms)
        return None

    def _release_id(self, job: Job) -> None:
        name = (job.user, job.job_id)
        if self._cells.ids.get(name, ("", 0))[0] == job.uid:
            del self._cells.ids[name]

    def _release_request(self, new: NewJob) -> None:
        name = (new.job.user, new.request_id)
        if name in self._cells.requests and self._cells.requests[name].uid == new.job.uid:
            del self._cells.requests[name]

    # -- reading -----------------------------------------------------------------------------

    @override
    async def find(self, user: str, job_id: str) -> Job | None:
        found = await self.find_all(user, job_id)
        return found[0] if found and not found[0].delete_ms else None

    @override
    async def find_all(self, user: str, job_id: str) -> "list[Job]":
        def read() -> list[Job]:
            keys = [JobKey(user, uid) for uid in self._cells.named.get((user, job_id), ())]
            keys.append(JobKey(user, job_id))
            rows = [self._cells.jobs.get(key) for key in keys]
            jobs = [_job(row) for row in rows if row is not None and row.job.job_id == job_id]
            jobs.sort(key=lambda job: job.uid, reverse=True)
            jobs.sort(key=lambda job: job.delete_ms > 0)
            return jobs

        return await self._link.call(Kind.READ, read)

    @override
    async def get_many(self, keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        wanted = sorted(keys)

        def read() -> dict[JobKey, Job]:
            rows = [(key, self._cells.jobs.get(key)) for key in wanted]
            return {key: _job(row) for key, row in rows if row is not None}

        return await self._link.call(Kind.READ, read) if wanted else {}

    @override
    async def list(self, user: str | None, cursor: bytes, limit: int) -> Page[Job]:
        bound = _decode(cursor, user) if cursor else None

        def read() -> list[Job]:
            places = [
                ([key.uid, key.user], row)
                for key, row in self._cells.jobs.items()
                if user in (None, key.user) and not row.job.delete_ms
            ]
            behind = [one for one in places if bound is None or one[0] < bound]
            return [_job(row) for _, row in nlargest(limit + 1, behind, key=itemgetter(0))]

        jobs = await self._link.call(Kind.READ, read)
        if len(jobs) <= limit:
            return Page(jobs, None)
        return Page(jobs[:limit], _encode(user, [jobs[limit - 1].uid, jobs[limit - 1].user]))

    @override
    async def scan(self, cursor: bytes, limit: int) -> Page[Job]:
        bound = _decode(cursor, None) if cursor else None

        def read() -> list[Job]:
            places = [([key.uid, key.user], row) for key, row in self._cells.jobs.items()]
            behind = [one for one in places if bound is None or one[0] > bound]
            return [_job(row) for _, row in nsmallest(limit, behind, key=itemgetter(0))]

        jobs = await self._link.call(Kind.READ, read)
        if len(jobs) < limit:
            return Page(jobs, None)
        return Page(jobs, _encode(None, [jobs[-1].uid, jobs[-1].user]))

    @override
    async def history(self, key: JobKey) -> "list[ChangeRecord]":
        def read() -> list[ChangeRecord]:
            row = self._cells.jobs.get(key)
            if row is None:
                return []
            former = [
                one
                for version, one in sorted(self._cells.changes.get(key.uid, {}).items())
                if version < row.job.version
            ]
            enders = [*former[1:], Former(row.job, row.actor, row.reason)]
            return (
                [
                    ChangeRecord(
                        job=one.job,
                        change_ms=ender.job.update_ms,
                        actor=ender.actor,
                        reason=ender.reason,
                    )
                    for one, ender in zip(former, enders, strict=True)
                ]
                if former
                else []
            )

        return await self._link.call(Kind.READ, read)

    # -- changing ----------------------------------------------------------------------------

    @override
    async def change(self, change: JobChange) -> Job | None:
        before, after = change.before, change.after
        key = before.key
        stored = await self._link.call(Kind.READ, lambda: _copy(self._cells.jobs.get(key)))
        if stored is None:
            return None
        if stored.job != after:
            if stored.job.version != before.version or stored.job.delete_ms:
                return None
            if not await self._apply(change, stored):
                return None
        await self._tell(change.inbox)
        return replace(
            after,
            completed_generation=stored.completed_generation,
            complete_ms=stored.complete_ms,
        )

    @override
    async def announce(self, job: Job) -> None:
        row = await self._link.call(Kind.READ, lambda: _copy(self._cells.jobs.get(job.key)))
        if row is not None:
            await self._tell(last_change(row.job, row.entry, self._clock.now_ms()))

    async def _tell(self, item: InboxEntry) -> None:
        async def put() -> None:
            inbox = stamped(item, self._clock.now_ms())
            await self._link.call(Kind.WRITE, lambda: put_inbox(self._cells, [inbox]))

        await promptly(self._clock, put)

    async def _apply(self, change: JobChange, stored: JobRow) -> bool:
        before, after, entry = change.before, change.after, change.entry
        written_us = self._clock.now_us() - API_SLACK_US
        former = Former(stored.job, stored.actor, stored.reason)

        def keep_former() -> None:
            self._cells.changes.setdefault(before.uid, {})[before.version] = former

        def swap() -> bool:
            row = self._cells.jobs.get(before.key)
            if row is None or row.job.version != before.version or row.job.delete_ms:
                return False
            row.job, row.actor, row.reason = after, change.actor, change.reason
            if entry is not None:
                row.entry = entry
            return True

        rows: list[Callable[[], None]] = [keep_former]
        if entry is not None:
            rows.append(partial(put_entries, self._cells, [entry], written_us))
        await self._link.write(rows)
        try:
            applied = await self._link.call(Kind.CONDITIONAL, swap)
        except OutcomeUnknown:
            row = await self._link.call(
                Kind.CONDITIONAL, lambda: _copy(self._cells.jobs.get(before.key))
            )
            applied = row is not None and row.job == after
            if not applied and row is not None and row.job.version == before.version:
                raise
        if not applied and entry is not None:
            row = await self._link.call(
                Kind.CONDITIONAL, lambda: _copy(self._cells.jobs.get(before.key))
            )
            kept = None if row is None else row.entry
            if kept is not None and entry_key(kept) == entry_key(entry):
                again_us = self._clock.now_us() - API_SLACK_US
                await self._link.call(
                    Kind.WRITE, lambda: put_entries(self._cells, [kept], again_us)
                )
            else:
                await self._link.call(
                    Kind.WRITE, lambda: remove_entries(self._cells, [entry], written_us)
                )
        return applied

    @override
    async def complete(
        self, stamp: WriteStamp, done: Sequence[tuple[JobKey, int]], complete_ms: int
    ) -> None:
        def write(key: JobKey, generation: int) -> None:
            row = self._cells.jobs.get(key)
            if row is not None and row.completed_us < stamp.timestamp_us:
                row.completed_us = stamp.timestamp_us
                row.completed_generation = generation
                row.complete_ms = complete_ms

        if done:
            await self._link.write([partial(write, *one) for one in done])


def _job(row: JobRow) -> Job:
    if not row.completed_us:
        return row.job
    return replace(
        row.job, completed_generation=row.completed_generation, complete_ms=row.complete_ms
    )


def _copy(row: JobRow | None) -> JobRow | None:
    return None if row is None else replace(row)


def _encode(user: str | None, place: "list[str]") -> bytes:
    return json.dumps(["j", user, *place]).encode()


def _decode(cursor: bytes, user: str | None) -> "list[str]":
    found: Any = json.loads(cursor)
    if not isinstance(found, list):
        raise ValueError("not a cursor")
    kind, of_user, *place = cast("list[str]", found)
    if (kind, of_user) != ("j", user):
        raise ValueError("not a cursor of this list")
    return place
