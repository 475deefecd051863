"""Changing jobs, and what is kept of each version."""

import asyncio
from dataclasses import replace
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.store.announcing import last_change, promptly, stamped
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind
from tickwheel.server.store.cassandra.entries import Entries, same_place
from tickwheel.server.store.cassandra.expiry import Expiry
from tickwheel.server.store.cassandra.inbox import Inbox
from tickwheel.server.store.cassandra.job_rows import JobRows, StoredJob, is_large
from tickwheel.server.store.cassandra.partition import VERSION_BLOCK
from tickwheel.server.store.cassandra.session import CassandraSession, gather
from tickwheel.server.store.codec import decode_entry, decode_job, encode_job, job_retention_ms
from tickwheel.server.store.port import ChangeRecord, JobChange

#: The block of a job that is being removed; its former versions are in those from 0 on.
_REMOVAL: Final = -1


class Changes:
    """Carries out JobStore.change and JobStore.history.

    A version's row in `job_changes` holds what the job was in it and who made it. It is written
    before the transaction that ends the version, from what was read: the same from everybody who
    tries, so the losers of a race leave nothing behind.
    """

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        session: CassandraSession,
        rows: JobRows,
        entries: Entries,
        inbox: Inbox,
        expiry: Expiry,
    ) -> None:
        self._clock = clock
        self._session = session
        self._rows = rows
        self._entries = entries
        self._inbox = inbox
        self._expiry = expiry
        self._under_way: set[asyncio.Task[Job | None]] = set()
        self._insert = driver.prepare(
            "INSERT INTO job_changes (job_id, block, version, record, payload_version, actor, "
            "reason, change_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            Kind.WRITE,
        )
        self._select = driver.prepare(
            "SELECT record, payload_version, actor, reason FROM job_changes "
            "WHERE job_id = ? AND block = ?",
            Kind.READ,
        )
        self._delete = driver.prepare(
            "DELETE FROM job_changes WHERE job_id = ? AND block = ?", Kind.WRITE
        )

    async def change(self, change: JobChange) -> Job | None:
        """Makes a change if the version is still the given one.

        It goes on where its caller does not wait any more: once it is made its owner has to hear.
        """
        task = asyncio.get_running_loop().create_task(self._change(change))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Job | None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Looked at, also where nobody waits for it.
            task.exception()

    async def _change(self, change: JobChange) -> Job | None:
        before, after = change.before, change.after
        stored = await self._rows.stored(before.key)
        if stored is None:
            return None
        if not _is_made(stored, after):
            if stored.job.version != before.version or stored.job.delete_ms:
                return None
            if not await self._apply(change, stored):
                return None
        # Else this very change was made by an earlier call, whose end is not known: finish it.
        await self._tell(change.inbox)
        return replace(
            after,
            completed_generation=stored.job.completed_generation,
            complete_ms=stored.job.complete_ms,
        )

    async def announce(self, job: Job) -> None:
        """Tells the owner of the last change of a job that whoever made it may not have told."""
        stored = await self._rows.stored(job.key)
        if stored is None:
            return
        entry = None if stored.entry is None else decode_entry(stored.entry)
        await self._tell(last_change(stored.job, entry, self._clock.now_ms()))

    async def _tell(self, item: InboxEntry) -> None:
        async def put() -> None:
            await self._inbox.put([stamped(item, self._clock.now_ms())])

        await promptly(self._clock, put)

    async def _apply(self, change: JobChange, stored: StoredJob) -> bool:
        after, entry = change.after, change.entry
        transaction, record = self._rows.change_row(
            change.before.version,
            after,
            await self._payload_version(stored, after),
            entry,
            change.actor,
            change.reason,
        )
        if after.delete_ms:
            # Before it is deleted, or who ends in between would leave it for good.
            expire_ms = after.delete_ms + job_retention_ms(after.spec)
            await self._expiry.note(after.segment, [after.key], expire_ms)
        written_us = self._entries.api_time_us()
        put = [entry] if entry is not None else []
        await self._entries.put(put, written_us, [self._former_row(stored)])
        try:
            applied = (await self._session.conditional(transaction)).applied
        except OutcomeUnknown:
            settled = await self._rows.stored(after.key, serial=True)
            applied = settled is not None and settled.record == record
            if not applied and settled is not None and settled.job.version == change.before.version:
                # It may still come: the entry must stay, and is void if it does not.
                raise
        if not applied and entry is not None:
            await self._withdraw(entry, written_us, after.key)
        return applied

    async def _payload_version(self, stored: StoredJob, after: Job) -> int:
        """Under which number the payload is kept apart; the present one while it is the same."""
        if not is_large(after):
            return 0
        if stored.payload_version and stored.job.payload == after.payload:
            return stored.payload_version
        return await self._rows.keep_payload(after)

    async def _withdraw(self, entry: ScheduleEntry, written_us: int, key: JobKey) -> None:
        """Takes back the entry of a change that lost its race.

        Where the winner's entry has the same place it is written again instead, over ours: were it
        removed first, a crash in between would leave the winner's job without any.
        """
        winner = await self._rows.stored(key, serial=True)
        kept = None if winner is None or winner.entry is None else decode_entry(winner.entry)
        if kept is not None and same_place(kept, entry) and kept.generation == entry.generation:
            await self._entries.put([kept], self._entries.api_time_us())
        else:
            await self._entries.remove([entry], written_us)

    def _former_row(self, stored: StoredJob) -> Bound:
        job = stored.job
        return self._insert.bind(
            job.uid,
            job.version // VERSION_BLOCK,
            job.version,
            encode_job(job, stored.payload_version),
            stored.payload_version,
            stored.actor,
            stored.reason,
            job.update_ms,
        )

    async def history(self, key: JobKey) -> list[ChangeRecord]:
        """What the job was before each of its changes, and who ended that."""
        stored = await self._rows.stored(key)
        if stored is None:
            return []
        blocks = range(stored.job.version // VERSION_BLOCK + 1)
        found = await self._session.read_all(self._select.bind(key.uid, block) for block in blocks)
        # A change that lost its race, or whose end nobody saw, wrote the present version as well.
        rows = [row for row in found if decode_job(row[0]).version < stored.job.version]
        if not rows:
            return []
        jobs = await gather(self._former_job(row[0], row[1]) for row in rows)
        enders = [(job, row[2], row[3]) for job, row in zip(jobs[1:], rows[1:], strict=True)]
        enders.append((stored.job, stored.actor, stored.reason))
        return [
            ChangeRecord(job=job, change_ms=ender.update_ms, actor=actor, reason=reason)
            for job, (ender, actor, reason) in zip(jobs, enders, strict=True)
        ]

    async def _former_job(self, record: bytes, payload_version: int) -> Job:
        job = decode_job(record)
        if not payload_version:
            return job
        return decode_job(record, await self._rows.payload(job.uid, payload_version))

    # -- removal -----------------------------------------------------------------------------

    async def begin_removal(self, job: Job) -> None:
        """Keeps what has to be known to remove the rest of a job, before its row goes."""
        # Any number but 0: its payload is not kept with it.
        record = encode_job(job, job.version)
        await self._session.write(
            [self._insert.bind(job.uid, _REMOVAL, job.version, record, 0, "", "", job.update_ms)]
        )

    async def removal_of(self, uid: str) -> Job | None:
        """The job whose removal was begun and not ended."""
        rows = await self._session.read(self._select.bind(uid, _REMOVAL))
        return decode_job(rows[-1][0]) if rows else None

    async def purge(self, job: Job) -> None:
        """Removes all of a job's past."""
        await self._session.write(
            [self._delete.bind(job.uid, block) for block in range(job.version // VERSION_BLOCK + 1)]
        )

    async def end_removal(self, uid: str) -> None:
        """Nothing is left of a job."""
        await self._session.write([self._delete.bind(uid, _REMOVAL)])


def _is_made(stored: StoredJob, after: Job) -> bool:
    """Whether a job is as a change was to make it."""
    is_same = stored.record == encode_job(after, stored.payload_version)
    return is_same and stored.job.payload == after.payload
