"""An audit finds runs that came to two ends, on both engines, and takes nothing else for it."""

import itertools
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from engines_fixtures import CassandraServer

from proof.facts import END_MS, START_MS, Past, past
from tickwheel.server.audit.facts import WIRE_MS
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.names import instant_id, manual_run_id, retry_run_id
from tickwheel.server.domain.run import PastAttempt, Run, RunState, Trigger
from tickwheel.server.proof import ends
from tickwheel.server.proof.notebook import Notebook
from tickwheel.server.store.cassandra import (
    CassandraOptions,
    SchemaOptions,
    migrate,
    open_cassandra,
)
from tickwheel.server.store.cassandra.driver import Kind
from tickwheel.server.store.port import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: A job that is due every so many seconds is not due in the range.
NONE_S = 7_200


@pytest_asyncio.fixture(params=["sqlite", "cassandra"], loop_scope="module")
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Past]:
    if request.param == "sqlite":
        async with past(tmp_path) as made:
            yield made
        return
    server: CassandraServer = request.getfixturevalue("cassandra_server")
    options = CassandraOptions(
        contact_points=server.contact_points, keyspace=f"test_{uuid.uuid4().hex[:12]}"
    )
    await migrate(options, SchemaOptions(segments=8), SystemClock())
    store = await open_cassandra(options, SystemClock())
    async with past(tmp_path, store) as made:
        yield made
    await store.session.text(f"DROP KEYSPACE {options.keyspace}", Kind.SCHEMA)
    await store.close()


def later(run: Run, state: RunState, ms: int, **changes: Any) -> Run:
    """The next state of a run, so long after the present one."""
    update_ms = run.update_ms + ms
    return replace(run, state=state, update_ms=update_ms, revision=run.revision + 1, **changes)


async def test_two_ends_of_one_run(here: Past) -> None:
    job = await here.job()
    first, second, *_ = await here.fire(job)
    failed = later(first, RunState.FAILED, 1_500)
    await here.record(failed, later(failed, RunState.FAILED, 20, dead_letter_topic="dead"))
    # It went on after its end.
    await here.record(later(second, RunState.PUBLISHED, 1_000))
    _, counts, found = await here.audit(store=here.world.store)
    assert counts == {"CONTRADICTED": 2}, found
    assert f"{job.name} run {first.run_id}: final states: SUCCEEDED at 20" in found[0]
    assert found[0].count("FAILED at 20") == 1
    assert f"run {second.run_id}: a state after its end: SUCCEEDED at" in found[1]


async def test_attempts_repetitions_and_retries_are_no_second_end(here: Past) -> None:
    job = await here.job()
    first, *_ = await here.fire(job)
    # All of this was recorded before the end; the log follows the order of time.
    published = replace(first, state=RunState.PUBLISHED, revision=1)
    failing = PastAttempt(attempt=1, state=RunState.FAILED, due_ms=first.due_ms)
    waiting = later(published, RunState.PENDING, 10, past_attempts=(failing,), attempt=2)
    failed = later(waiting, RunState.FAILED, 10)
    ended = later(failed, RunState.FAILED, 10, dead_letter_topic="dead")
    other = await here.job(NONE_S)
    runs = [
        replace(
            run,
            job_uid=other.uid,
            job_id=other.job_id,
            segment=other.segment,
            trigger=Trigger.MANUAL,
            run_id=manual_run_id(first.schedule_ms, "12345678"),
        )
        for run in (published, waiting, failed, ended)
    ]
    again = replace(
        runs[0],
        trigger=Trigger.RETRY,
        run_id=retry_run_id(runs[0].run_id, 1),
        retried_run=runs[0].run_id,
        offset=-1,
    )
    cancelled = later(again, RunState.CANCELLED, 10)
    # What the retry's executor is told changes nothing of the run that it retries.
    await here.record(*runs, again, cancelled)
    progress, counts, found = await here.audit(store=here.world.store)
    assert counts == {}, found
    assert progress.tally.manual == 2
    assert progress.unproven.late_ends == 0


async def test_the_late_word_of_a_replaced_owner_is_none(here: Past) -> None:
    job = await here.job(NONE_S)
    due_ms = START_MS + 5_000
    run = await here.publish(job, due_ms, run_id=manual_run_id(due_ms, "12345678"))
    late = replace(run, trigger=Trigger.MANUAL, revision=2, epoch=1, state=RunState.FAILED)
    counting = later(late, RunState.SUCCEEDED, 30_000, epoch=2)
    await here.record(late, counting)
    progress, counts, found = await here.audit(store=here.world.store)
    assert counts == {}, found
    assert progress.unproven.late_ends == 1
    # The first owner was one for long after it: the next one knew of that end.
    meanwhile = replace(
        late,
        run_id=manual_run_id(END_MS, "12345678"),
        due_ms=END_MS,
        schedule_ms=END_MS,
        update_ms=late.update_ms + WIRE_MS + 1,
    )
    await here.record(meanwhile)
    progress, counts, found = await here.audit(store=here.world.store)
    assert counts == {"CONTRADICTED": 1}, found
    assert progress.unproven.late_ends == 0


async def test_it_goes_on_within_a_segment(
    here: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "_PAGE_ROWS", 5)
    for every_s in (1, 5, 7):
        runs = await here.fire(await here.job(every_s))
        for run in runs[::4]:
            await here.record(later(run, RunState.FAILED, 2_500))
    store = here.world.store
    whole, expected, _ = await here.audit(store=store)
    assert expected["CONTRADICTED"] >= 15 + 3 + 2
    path, page_log, tried = tmp_path / "checkpoint", store.runs.page_log, 0
    while True:
        notebook = Notebook.open(path, here.scope().to_json(), "call")
        calls = itertools.count()

        async def failing(
            segment: int, cursor: bytes, limit: int, *, start_ms: int, calls: Iterator[int] = calls
        ) -> Page[Run]:
            if next(calls) == 2:
                raise StoreUnavailable("broken")
            return await page_log(segment, cursor, limit, start_ms=start_ms)

        with monkeypatch.context() as patch:
            patch.setattr(store.runs, "page_log", failing)
            try:
                progress, counts, _ = await here.audit(notebook=notebook, store=store)
                break
            except StoreUnavailable:
                tried += 1
            finally:
                notebook.close()
    assert tried > 5
    assert (counts, progress.tally) == (expected, whole.tally)


async def test_only_runs_of_the_range_and_of_jobs_that_are_audited(here: Past) -> None:
    job, other = await here.job(job_id="one"), await here.job(job_id="other")
    runs = [(await here.fire(each))[0] for each in (job, other)]
    outside = replace(
        runs[0],
        run_id=instant_id(END_MS + 5_000),
        schedule_ms=END_MS + 5_000,
        due_ms=END_MS + 5_000,
        update_ms=END_MS + 5_003,
    )
    await here.record(outside, *(later(run, RunState.FAILED, 5) for run in (outside, runs[1])))
    scope = replace(here.scope(), user=here.world.user, job_id="one")
    _, counts, found = await here.audit(scope, store=here.world.store)
    assert counts == {}, found
