"""Creating jobs: claims, then schedule entry and inbox, then the row that commits."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobKey, segment_of
from tickwheel.server.store.announcing import COMMIT_KNOWN_MS, placed, placed_anew, promptly
from tickwheel.server.store.cassandra.changes import Changes
from tickwheel.server.store.cassandra.claims import (
    COMMIT_WITHIN_MS,
    FORGOTTEN_MS,
    IdClaim,
    IdClaims,
    RequestClaim,
    RequestClaims,
)
from tickwheel.server.store.cassandra.entries import Entries
from tickwheel.server.store.cassandra.inbox import Inbox
from tickwheel.server.store.cassandra.job_rows import JobRows
from tickwheel.server.store.cassandra.session import CassandraSession, gather
from tickwheel.server.store.cassandra.user_index import UserIndex
from tickwheel.server.store.port import (
    Created,
    CreateResult,
    IdContested,
    IdTaken,
    NewJob,
    RequestReused,
)


@dataclass(slots=True)
class _Draft:
    """One item on its way."""

    index: int
    item: NewJob
    result: CreateResult | None = None
    #: Its request_id was claimed by this call.
    requested: bool = False
    #: Its id was claimed by this call.
    claimed: bool = False
    #: It goes on with a creation that an earlier call began.
    resumed: bool = False


class Creation:
    """Carries out JobStore.create."""

    def __init__(
        self,
        session: CassandraSession,
        clock: Clock,
        segments: int,
        rows: JobRows,
        index: UserIndex,
        ids: IdClaims,
        requests: RequestClaims,
        entries: Entries,
        inbox: Inbox,
        changes: Changes,
    ) -> None:
        self._session = session
        self._clock = clock
        self._segments = segments
        self._rows = rows
        self._index = index
        self._ids = ids
        self._requests = requests
        self._entries = entries
        self._inbox = inbox
        self._changes = changes

    async def create(self, new: Sequence[NewJob]) -> list[CreateResult]:
        """Stores jobs; items that share an id or a request_id one after the other.

        Raises:
            StoreUnavailable: as the port says.
        """
        results: dict[int, CreateResult] = {}
        for drafts in _rounds(new):
            try:
                done = await self._round(drafts)
            except StoreUnavailable as error:
                if results:
                    # Those of the rounds before are stored.
                    raise OutcomeUnknown(error.message) from error
                raise
            results.update(done)
        return [results[index] for index in range(len(new))]

    async def _round(self, drafts: list[_Draft]) -> dict[int, CreateResult]:
        started_us = self._clock.now_us()
        deadline = self._clock.steady_ms() + COMMIT_WITHIN_MS
        requested = [draft for draft in drafts if draft.item.request_id]
        chosen = [draft for draft in drafts if draft.item.id_chosen]
        try:
            await gather(self._request(draft) for draft in requested)
            await gather(self._choose(draft) for draft in chosen if draft.result is None)
        except StoreUnavailable:
            await self._release(drafts)
            raise
        going = [draft for draft in drafts if draft.result is None]
        if going:
            await self._commit(going, started_us, deadline if requested or chosen else None)
        return {draft.index: draft.result for draft in drafts if draft.result is not None}

    async def _commit(self, going: list[_Draft], started_us: int, deadline: int | None) -> None:
        """Stores what has its claims.

        Args:
            going: those.
            started_us: when the round began.
            deadline: by the steady clock in ms, where there are claims: until when they hold.
        """
        committing = False
        try:
            await promptly(self._clock, lambda: self._prepare(going))
            announced = self._clock.steady_ms()
            if deadline is not None and announced > deadline:
                # By now somebody else may take the claims over.
                raise StoreUnavailable("the store is too slow to create jobs")
            committing = True
            await self._session.write(
                await self._session.mapped(
                    lambda draft: self._rows.creation_row(
                        draft.item.job,
                        started_us,
                        # Kept for those that may be asked for again.
                        draft.item.entry if draft.item.request_id else None,
                    ),
                    going,
                )
            )
            if self._clock.steady_ms() - announced > COMMIT_KNOWN_MS:
                await self._announce_again(going)
        except StoreUnavailable as error:
            if not committing or not isinstance(error, OutcomeUnknown):
                await self._release(going)
            raise
        for draft in going:
            draft.result = Created(draft.item.job, repeated=draft.resumed)

    async def _announce_again(self, drafts: list[_Draft]) -> None:
        """The commit took long: owners may have taken the jobs for creations that failed."""
        try:
            await promptly(self._clock, lambda: self._prepare(drafts))
        except StoreUnavailable as error:
            raise OutcomeUnknown(error.message) from error

    async def _prepare(self, drafts: list[_Draft]) -> None:
        """Writes all that must be there before the jobs are."""
        now_ms = self._clock.now_ms()
        for draft in drafts:
            draft.item = placed(draft.item, now_ms)
        jobs = [draft.item.job for draft in drafts]
        entries = [draft.item.entry for draft in drafts if draft.item.entry is not None]
        inbox = [draft.item.inbox for draft in drafts if draft.item.inbox is not None]
        beside = [self._ids.row(draft.item.job) for draft in drafts if draft.item.id_chosen]
        beside += self._inbox.rows(inbox)
        await self._index.announce(jobs)
        await self._inbox.announce(inbox)
        await self._session.write(self._rows.payload_rows(jobs))
        await self._entries.put(entries, self._entries.api_time_us(), beside)

    # -- claims ------------------------------------------------------------------------------

    async def _request(self, draft: _Draft) -> None:
        while draft.result is None and not (draft.requested or draft.resumed):
            claim = await self._requests.claim(draft.item)
            if claim.mine:
                draft.requested = True
            elif claim.digest != draft.item.request_digest:
                draft.result = RequestReused()
            else:
                await self._go_on(draft, claim)

    async def _go_on(self, draft: _Draft, claim: RequestClaim) -> None:
        """Answers with what the request_id's first use has made, or finishes that."""
        job = await self._rows.get(JobKey(draft.item.job.user, claim.uid))
        if job is not None:
            # Whoever made it may have ended before its owner could know of it in time.
            await self._changes.announce(job)
            draft.result = Created(job, repeated=True)
        elif self._clock.now_ms() - claim.create_ms > FORGOTTEN_MS:
            # It may have been removed since, and what is written of it now would be, too.
            await self._requests.release(draft.item, claim.uid)
        else:
            draft.item = self._resumed(draft.item, claim)
            draft.resumed = True

    def _resumed(self, new: NewJob, claim: RequestClaim) -> NewJob:
        """The creation that the request_id's first use began, to be finished now.

        What was due meanwhile stands at now, where an owner still looks; its nominal instant, and
        so its run, stay the same.
        """
        now_ms = self._clock.now_ms()
        job = replace(
            new.job,
            uid=claim.uid,
            job_id=new.job.job_id if new.id_chosen else claim.uid,
            segment=segment_of(claim.uid, self._segments),
            create_ms=claim.create_ms,
            update_ms=claim.create_ms,
            schedule_from_ms=claim.create_ms,
        )
        return placed_anew(replace(new, job=job, entry=claim.entry), now_ms)

    async def _choose(self, draft: _Draft) -> None:
        claim = await self._ids.claim(draft.item.job)
        if claim is IdClaim.MINE:
            draft.claimed = True
            return
        draft.result = IdTaken() if claim is IdClaim.TAKEN else IdContested()
        if draft.requested or draft.resumed:
            await self._requests.release(draft.item, draft.item.job.uid)

    async def _release(self, drafts: Iterable[_Draft]) -> None:
        """Lets go of the ids claimed for nothing, so that a repeat need not wait.

        If that fails too, they may be taken over in a minute. Request_ids are kept: a repeat goes
        on where this call ended.
        """
        with contextlib.suppress(StoreUnavailable):
            await gather(
                self._ids.release(draft.item.job)
                for draft in drafts
                if draft.claimed and not draft.item.request_id
            )


def _rounds(new: Sequence[NewJob]) -> list[list[_Draft]]:
    """Items in rounds, so that none meets another of its round in an id or a request_id."""
    rounds: list[list[_Draft]] = []
    place: dict[tuple[str, str, str], int] = {}
    for index, item in enumerate(new):
        job: Job = item.job
        keys = [("id", job.user, job.job_id)]
        if item.request_id:
            keys.append(("request", job.user, item.request_id))
        number = max(place.get(key, 0) for key in keys)
        for key in keys:
            place[key] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(_Draft(index, item))
    return rounds
