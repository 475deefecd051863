"""The audit: jobs, the log, all ends, each job's occurrences; on from where it was interrupted."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Final

from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import JobName, run_id_instant_ms
from tickwheel.server.proof.ends import judge_suspects, read_page
from tickwheel.server.proof.judging import judge
from tickwheel.server.proof.log import AuditedLog, Seen
from tickwheel.server.proof.notebook import Notebook, Progress, Unproven
from tickwheel.server.proof.scope import Scope
from tickwheel.server.store.port import Page, Store

#: Told of each step: the phase, how much of it is done, and how much there is (0: not known).
Report = Callable[[str, int, int], None]

#: Jobs read, and judged, side by side.
_JOBS: Final = 500
_SIDE_BY_SIDE: Final = 32
#: A record may be stamped this much before it is due and still be found; in ms.
_BEFORE_MS: Final = 60_000


class NoSuchJob(Exception):
    """The one job that is to be audited is not there; the text names it."""


class Auditor:
    """One audit."""

    def __init__(
        self,
        store: Store,
        log: AuditedLog,
        notebook: Notebook,
        scope: Scope,
        clock: Clock,
        report: Report,
    ) -> None:
        """See `run`."""
        self._store = store
        self._log = log
        self._notebook = notebook
        self._scope = scope
        self._clock = clock
        self._report = report
        self._progress = notebook.progress()

    async def run(self) -> Progress:
        """Goes on to the end; what was found is in the notebook.

        Raises:
            NoSuchJob: nothing was read.
            StoreUnavailable, LogError: it can go on later from here.
        """
        progress = self._progress
        if progress.phase == "jobs":
            await self._read_jobs()
        if progress.phase == "records":
            await self._read_records()
        if progress.phase == "states":
            await self._compare_states()
        if progress.phase == "occurrences":
            await self._judge_jobs()
        return progress

    @contextmanager
    def _step(self) -> Generator[None]:
        self._notebook.begin()
        try:
            yield
        except BaseException:
            self._notebook.rollback()
            raise
        self._notebook.commit(self._progress)

    def _next_phase(self, phase: str) -> None:
        self._progress.phase, self._progress.cursor = phase, ""

    # -- jobs --------------------------------------------------------------------------------

    async def _read_jobs(self) -> None:
        progress = self._progress
        while progress.phase == "jobs":
            page = await self._page(bytes.fromhex(progress.cursor))
            jobs = [job for job in page.items if self._is_audited(job)]
            topics = {job.spec.target.topic for job in jobs}
            for job in jobs:
                if job.version > 1:
                    for record in await self._store.jobs.history(job.key):
                        topics.add(record.job.spec.target.topic)
            with self._step():
                segments = {job.segment for job in jobs}
                self._notebook.add_jobs((job.key for job in jobs), topics, segments)
                progress.jobs += len(jobs)
                if page.cursor is None:
                    self._next_phase("records")
                else:
                    progress.cursor = page.cursor.hex()
            self._report("jobs", progress.jobs, 0)

    async def _page(self, cursor: bytes) -> Page[Job]:
        scope = self._scope
        if scope.job_id:
            found = await self._store.jobs.find_all(scope.user, scope.job_id)
            if not found:
                name = JobName(scope.user, scope.job_id)
                raise NoSuchJob(f"there is no job {name}, nor a deleted one that is still known")
            return Page(found, None)
        return await self._store.jobs.scan(cursor, _JOBS)

    def _is_audited(self, job: Job) -> bool:
        # One that was made after the range may have been backfilled over it.
        return self._scope.user in ("", job.user)

    # -- records -----------------------------------------------------------------------------

    async def _read_records(self) -> None:
        notebook, since_ms = self._notebook, self._scope.start_ms - _BEFORE_MS
        for topic in notebook.unread_topics():
            asked_ms = self._clock.now_ms()
            partitions = await self._log.partitions(topic, since_ms)
            own_stamps = not partitions or await self._log.has_own_stamps(topic)
            with self._step():
                notebook.set_partitions(topic, partitions, asked_ms, own_stamps=own_stamps)
        total = self._progress.records + notebook.unread()
        self._report("records", self._progress.records, total)
        for topic in notebook.topics():
            async for read in self._log.read(notebook.partitions(topic)):
                with self._step():
                    self._keep(topic, read)
                self._report("records", self._progress.records, total)
            # What was dropped while it was read is no proof of anything.
            still = await self._log.partitions(topic, since_ms)
            with self._step():
                notebook.set_kept_from(still)
        with self._step():
            self._next_phase("states")

    def _keep(self, topic: str, read: Sequence[Seen]) -> None:
        progress = self._progress
        ours = [each.record for each in read if each.record is not None]
        wanted = [
            record
            for record in ours
            if self._scope.has(record.due_ms)
            or self._scope.has(run_id_instant_ms(record.run_id) or 0)
        ]
        known = self._notebook.knows({record.uid for record in wanted})
        kept = [record for record in wanted if record.uid in known]
        self._notebook.add_records(topic, read, kept)
        progress.records += len(read)
        progress.unproven.others += len(read) - len(ours)
        if not self._scope.user:
            progress.unproven.strangers += len(wanted) - len(kept)

    # -- states ------------------------------------------------------------------------------

    async def _compare_states(self) -> None:
        progress, notebook = self._progress, self._notebook
        segments = notebook.segments()
        # The segment that is being read, and where its log goes on.
        number, _, place = progress.cursor.partition(":")
        done = segments.index(int(number)) if number else 0
        cursor = bytes.fromhex(place)
        while done < len(segments):
            segment = segments[done]
            page = await read_page(self._store, notebook, self._scope, segment, cursor)
            with self._step():
                progress.tally.checks += page.compared
                notebook.add_suspects(page.suspects)
                notebook.add_until(page.until)
                if page.cursor is None:
                    judgement = judge_suspects(notebook.suspects(), notebook.until())
                    notebook.add_findings(judgement.findings)
                    progress.unproven.late_ends += judgement.late
                    notebook.clear_suspects()
                    done += 1
                cursor = page.cursor or b""
                if done < len(segments):
                    progress.cursor = f"{segments[done]}:{cursor.hex()}"
                else:
                    self._next_phase("occurrences")
            self._report("states", done, len(segments))
        if not segments:
            with self._step():
                self._next_phase("occurrences")

    # -- occurrences -------------------------------------------------------------------------

    async def _judge_jobs(self) -> None:
        progress, notebook = self._progress, self._notebook
        while keys := notebook.jobs_after(progress.cursor, _SIDE_BY_SIDE):
            jobs = await self._store.jobs.get_many(keys)
            now_ms = self._clock.now_ms()
            judgements = await asyncio.gather(
                *(judge(self._store, notebook, job, self._scope, now_ms) for job in jobs.values())
            )
            with self._step():
                for judgement in judgements:
                    notebook.add_findings(judgement.findings)
                    progress.tally.add(judgement.tally)
                    _add(progress.unproven, judgement.unproven)
                # Removed since they were read.
                progress.unproven.runs_expired += len(keys) - len(jobs)
                progress.cursor = keys[-1].uid
                progress.jobs_done += len(keys)
            self._report("occurrences", progress.jobs_done, progress.jobs)
        with self._step():
            self._next_phase("done")


def _add(total: Unproven, more: Unproven) -> None:
    for one in fields(Unproven):
        setattr(total, one.name, getattr(total, one.name) + getattr(more, one.name))
