"""Brings the auditor's facts from a store, through its port."""

from tickwheel.server.audit.facts import Subject, subject_of
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.run import Run
from tickwheel.server.store.port import Store

_PAGE = 1_000


async def read_subject(store: Store, job: Job, sure: dict[int, int] | None = None) -> Subject:
    """A job's past."""
    history = await store.jobs.history(job.key) if job.version > 1 else ()
    return subject_of(job, history, sure)


async def read_runs(store: Store, job: Job, start_ms: int, end_ms: int) -> list[Run]:
    """A job's runs with a nominal instant from `start_ms` to before `end_ms`."""
    runs: list[Run] = []
    cursor: bytes | None = b""
    while cursor is not None:
        page = await store.runs.list_job(job.uid, cursor, _PAGE, start_ms=start_ms, end_ms=end_ms)
        runs.extend(page.items)
        cursor = page.cursor
    return runs
