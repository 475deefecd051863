"""An audit finds what is wrong, and nothing where nothing is."""

import dataclasses
import itertools
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from proof.facts import END_MS, START_MS, TOPIC, Past, past
from tickwheel.server.audit.checker import Case, check
from tickwheel.server.audit.facts import WIRE_MS, Rules
from tickwheel.server.audit.findings import Finding, Tally
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import (
    JobKey,
    backfill_run_id,
    instant_id,
    manual_run_id,
    retry_run_id,
)
from tickwheel.server.domain.run import Limit, PastAttempt, Run, RunState, Trigger
from tickwheel.server.proof import judging
from tickwheel.server.proof.embedded_log import EmbeddedLog
from tickwheel.server.proof.log import Partition, Seen
from tickwheel.server.proof.notebook import Notebook, NotebookError
from tickwheel.server.proof.scope import Scope
from tickwheel.server.store.sqlite import read_sqlite
from tickwheel.v1 import run_pb2

#: A job that is due every so many seconds is not due in the range.
NONE_S = 7_200

GetMany = Callable[[Iterable[JobKey]], Awaitable[dict[JobKey, Job]]]


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Past]:
    async with past(tmp_path) as made:
        yield made


async def test_nothing_is_found_where_nothing_is_wrong(here: Past) -> None:
    for every_s in (1, 5, 7):
        await here.fire(await here.job(every_s))
    progress, counts, _ = await here.audit()
    assert counts == {}
    assert progress.jobs == 3
    assert progress.tally.occurrences == progress.tally.published
    assert 60 + 12 + 8 <= progress.tally.occurrences <= 60 + 12 + 9
    assert progress.tally.duplicates == 0
    assert progress.tally.latest_ms == 3


async def test_a_missing_occurrence(here: Past) -> None:
    job = await here.job()
    runs = await here.fire(job, end_ms=END_MS - 10_000)
    progress, counts, found = await here.audit()
    assert counts == {"MISSING": 2}
    assert str(job.name) in found[0]
    assert progress.tally.published == len(runs)


async def test_what_is_missing_since_a_moment_ago_may_come(
    here: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.fire(await here.job(), end_ms=END_MS - 5_000)
    _, counts, found = await here.audit()
    assert counts == {"MISSING": 1}
    assert "audit it again" not in found[0]
    monkeypatch.setattr(judging, "FRESH_MS", 86_400_000)
    _, counts, found = await here.audit()
    assert counts == {"MISSING": 1}
    assert "s before it was looked for: audit it again" in found[0]


async def test_a_run_whose_record_is_gone(here: Past) -> None:
    job = await here.job()
    first, *rest = await here.fire(job)
    await here.record(dataclasses.replace(first, offset=first.offset + 1000, revision=2))
    progress, counts, _ = await here.audit()
    # An offset behind the end: it may have come since.
    assert counts == {}
    assert progress.unproven.published_since == 1
    await here.record(dataclasses.replace(rest[0], offset=rest[1].offset, revision=2))
    _, counts, _ = await here.audit()
    assert counts == {"VANISHED": 1}


async def test_records_that_are_dropped_while_they_are_read_are_not_proven(
    here: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = await here.fire(await here.job())
    read = EmbeddedLog.read

    async def late(
        self: EmbeddedLog, partitions: Sequence[Partition]
    ) -> AsyncGenerator[Sequence[Seen], None]:
        with closing(sqlite3.connect(here.folder / "records.db", isolation_level=None)) as file:
            file.execute("UPDATE partitions SET start_offset = 1000")
            file.execute("DELETE FROM batches")
        async for some in read(self, partitions):
            yield some

    monkeypatch.setattr(EmbeddedLog, "read", late)
    progress, counts, _ = await here.audit()
    assert counts == {}
    assert progress.unproven.records_expired == len(runs)


async def test_a_record_without_a_run(here: Past) -> None:
    job = await here.job()
    runs = await here.fire(job, end_ms=END_MS - 5_000)
    await here.publish(job, runs[-1].schedule_ms + 5_000)
    _, counts, _ = await here.audit()
    assert counts == {"UNRECORDED": 1}


async def test_a_record_before_it_is_due(here: Past) -> None:
    job = await here.job()
    runs = await here.fire(job, end_ms=END_MS - 5_000)
    await here.record(await here.publish(job, runs[-1].schedule_ms + 5_000, late_ms=-1))
    _, counts, found = await here.audit()
    assert counts == {"EARLY": 1}
    assert "by 1 ms" in found[0]
    _, counts, _ = await here.audit(dataclasses.replace(here.scope(), log_behind_ms=1))
    assert counts == {}


async def test_a_duplicate_is_counted_and_a_different_one_is_found(here: Past) -> None:
    job = await here.job()
    first, second, *_ = await here.fire(job)
    await here.publish(job, first.schedule_ms, late_ms=900, epoch=2)
    progress, counts, _ = await here.audit()
    assert counts == {}
    assert progress.tally.duplicates == 1
    await here.publish(job, second.schedule_ms, late_ms=900, value=b"another")
    _, counts, _ = await here.audit()
    assert counts.keys() == {"DOUBLED", "OUTDATED"}


async def test_a_record_that_comes_again_long_after_its_run_had_ended(here: Past) -> None:
    job = await here.job()
    first, second, third, *_ = await here.fire(job)
    # No worker that did not hear of its outcome is at it for so long.
    await here.publish(job, first.schedule_ms, late_ms=WIRE_MS + 10)
    await here.publish(job, second.schedule_ms, late_ms=WIRE_MS - 10)
    # Whoever published this one did not hear of it while the log was away.
    await here.record(
        dataclasses.replace(third, revision=2, update_ms=third.schedule_ms + 10 * WIRE_MS)
    )
    await here.publish(job, third.schedule_ms, late_ms=9 * WIRE_MS)
    progress, counts, found = await here.audit()
    assert counts == {"DOUBLED": 1}
    assert first.run_id in found[0]
    assert progress.tally.duplicates == 3


@pytest.mark.parametrize("late_ms", [900, 10 * WIRE_MS])
async def test_another_ce_id_for_an_occurrence_is_doubled(here: Past, late_ms: int) -> None:
    published, reported = await here.job(), await here.job(reported=True)
    for job in (published, reported):
        first, second, *_ = await here.fire(job)
        await here.publish(job, first.schedule_ms, late_ms=late_ms, attempt=2)
        if job is reported:
            # This one came to a second attempt.
            again = await here.publish(job, second.schedule_ms, late_ms=late_ms, attempt=2)
            await here.record(dataclasses.replace(again, revision=2))
    progress, counts, found = await here.audit()
    assert counts == {"DOUBLED": 2}, found
    told = "\n".join(found)
    assert f"{published.name} run {first.run_id}: attempts [1, 2] are all there" in told
    assert "attempt 2 is there, and it ended with attempt 1" in told
    assert progress.tally.duplicates == 0


async def test_an_attempt_that_a_former_owner_could_tell_nobody_of_is_not_doubled(
    here: Past,
) -> None:
    """The next one heard how the first attempt had ended, and knew of no second."""
    job = await here.job(reported=True)
    first, *_ = await here.fire(job)
    await here.publish(job, first.schedule_ms, late_ms=900, attempt=2)
    later = dataclasses.replace(first, revision=9, epoch=2, update_ms=first.schedule_ms + 5_000)
    await here.record(later)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.tally.unheard == 1


async def test_what_a_limit_held_back_is_not_late(here: Past) -> None:
    job = await here.job(reported=True)
    first, second, *_ = await here.fire(job, end_ms=END_MS - 10_000)
    held = await here.publish(job, END_MS - 10_000, late_ms=30_004)
    held = dataclasses.replace(
        held, held_by=Limit.TOPIC_RATE, held_ms=30_000, attempt_due_ms=held.due_ms + 30_000
    )
    # The first attempt was held back, the second is late.
    failed = PastAttempt(
        attempt=1,
        state=RunState.FAILED,
        due_ms=END_MS - 5_000 + 40_000,
        held_by=Limit.USER_IN_FLIGHT,
        held_ms=40_000,
    )
    await here.publish(job, END_MS - 5_000, late_ms=40_003)
    retried = await here.publish(job, END_MS - 5_000, late_ms=45_007, attempt=2)
    retried = dataclasses.replace(
        retried, past_attempts=(failed,), attempt_due_ms=END_MS - 5_000 + 45_000
    )
    await here.record(held, retried)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.tally.latest_ms == 7
    assert first.update_ms - first.due_ms == second.update_ms - second.due_ms == 3


async def test_a_record_of_an_owner_that_was_replaced_long_before(here: Past) -> None:
    job = await here.job()
    first, second, third, *_ = await here.fire(job)
    # The next owner has recorded this one.
    await here.record(dataclasses.replace(first, epoch=2, revision=2))
    since_ms = first.update_ms
    for run, late_ms in ((second, 1_000), (third, -1_000)):
        given_ms = since_ms + WIRE_MS + late_ms
        again = await here.publish(job, run.schedule_ms, late_ms=given_ms - run.schedule_ms)
        await here.record(dataclasses.replace(again, revision=2))
    _, counts, found = await here.audit()
    assert counts == {"STALE": 1}
    assert second.run_id in found[0]


def paused_stretch(here: Past, job: Job) -> Run:
    """Of a job that was paused from before the range until after it."""
    return here.world.run(
        job,
        START_MS - 500_000,
        state=RunState.SKIPPED,
        skip_reason=run_pb2.SKIP_REASON_PAUSED,
        skipped_count=861,
        first_schedule_ms=START_MS - 500_000,
        last_schedule_ms=END_MS + 300_000,
    )


async def test_skipped_with_a_reason_across_the_ends_of_the_range(here: Past) -> None:
    job = await here.job(1)
    paused = await here.change(job, START_MS - 600_000, paused=True)
    assert paused.paused
    stretch = paused_stretch(here, job)
    await here.record(stretch)
    progress, counts, _ = await here.audit()
    assert counts == {}
    assert progress.tally.skipped == 60
    shorter = dataclasses.replace(
        stretch, revision=2, last_schedule_ms=END_MS - 11_000, skipped_count=550
    )
    await here.record(shorter)
    _, counts, _ = await here.audit()
    assert counts == {"MISSING": 10}


@pytest.mark.parametrize("reported", [True, False])
async def test_nothing_is_in_the_way_of_runs_that_are_done_once_published(
    here: Past, reported: bool
) -> None:
    job = await here.job(reported=reported)
    await here.fire(job, end_ms=START_MS + 10_000)
    skip = here.world.run(
        job,
        START_MS + 10_000,
        state=RunState.SKIPPED,
        skip_reason=run_pb2.SKIP_REASON_OVERLAP,
        skipped_count=10,
        first_schedule_ms=START_MS + 10_000,
        last_schedule_ms=END_MS - 5_000,
    )
    await here.record(skip)
    progress, counts, _ = await here.audit()
    assert (progress.tally.published, progress.tally.skipped) == (2, 10)
    assert counts == ({} if reported else {"MISJUDGED": 10})


async def test_a_stretch_is_found_however_many_runs_by_hand_there_are_since_it_began(
    here: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await here.job(1)
    await here.change(job, START_MS - 600_000, paused=True)
    stretch = paused_stretch(here, job)
    by_hand = [
        here.world.run(
            job,
            at_ms,
            run_id=manual_run_id(at_ms, "12345678"),
            trigger=Trigger.MANUAL,
            state=RunState.CANCELLED,
        )
        for at_ms in range(START_MS - 250_000, END_MS, 1_000)
    ]
    await here.record(stretch, *by_hand)
    # The second time in windows.
    for window_runs in (1_000, 10):
        monkeypatch.setattr(judging, "WINDOW_RUNS", window_runs)
        monkeypatch.setattr(judging, "SHORTEST_MS", 5_000)
        progress, counts, _ = await here.audit()
        assert counts == {}
        assert progress.tally.skipped == 60
    # One was lost inside of it: that is seen, once, whatever the windows are.
    await here.record(dataclasses.replace(stretch, revision=2, skipped_count=860))
    for window_runs in (1_000, 10):
        monkeypatch.setattr(judging, "WINDOW_RUNS", window_runs)
        _, counts, found = await here.audit()
        assert counts == {"CONTRADICTED": 1}
        assert "stands for 860 skipped occurrences, of 861 or more there" in found[0]


async def test_a_long_pause_is_not_held_at_once(
    here: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run stands for all of it, and so many occurrences would each take memory."""
    first_ms, count = END_MS - 3_600_000, 3_600
    job = await here.job(1, created_ms=first_ms - 10_000)
    await here.change(job, first_ms - 9_500, paused=True)
    stretch = dataclasses.replace(
        paused_stretch(here, job),
        run_id=instant_id(first_ms),
        schedule_ms=first_ms,
        due_ms=first_ms,
        first_schedule_ms=first_ms,
        last_schedule_ms=END_MS - 1_000,
        skipped_count=count,
    )
    await here.record(stretch)
    at_once: list[int] = []

    def counted(case: Case, rules: Rules, tally: Tally) -> Iterator[Finding]:
        before = tally.occurrences
        yield from check(case, rules, tally)
        at_once.append(tally.occurrences - before)

    monkeypatch.setattr(judging, "check", counted)
    monkeypatch.setattr(judging, "WINDOW_OCCURRENCES", 500)
    scope = Scope(start_ms=first_ms, end_ms=END_MS)
    progress, counts, _ = await here.audit(scope)
    assert counts == {}
    assert progress.tally.occurrences == progress.tally.skipped == sum(at_once) == count
    assert max(at_once) <= 500
    await here.record(dataclasses.replace(stretch, revision=2, skipped_count=count - 1))
    _, counts, _ = await here.audit(scope)
    assert counts == {"CONTRADICTED": 1}


async def test_what_a_deleted_job_should_have_done(here: Past) -> None:
    job = await here.job()
    await here.fire(job, end_ms=START_MS + 20_000)
    await here.change(job, START_MS + 30_000, delete_ms=START_MS + 30_000)
    _, counts, _ = await here.audit()
    assert counts == {"MISSING": 2}


async def test_occurrences_after_a_deletion_are_forbidden(here: Past) -> None:
    job = await here.job()
    await here.fire(job)
    await here.change(job, START_MS - 200_000, delete_ms=START_MS - 200_000)
    _, counts, _ = await here.audit()
    assert counts == {"UNEXPECTED": 12}


async def test_runs_by_hand_and_retries(here: Past) -> None:
    job = await here.job(NONE_S)
    at_ms = START_MS + 1_234
    manual = dataclasses.replace(
        here.world.run(job, at_ms, update_ms=at_ms, topic=TOPIC, partition=0, offset=0),
        run_id=manual_run_id(at_ms, "12345678"),
        trigger=Trigger.MANUAL,
    )
    # A retry bears the name of what it retries, an hour before the range.
    retried = dataclasses.replace(
        manual,
        schedule_ms=START_MS - 3_600_000,
        run_id=retry_run_id(manual_run_id(START_MS - 3_600_000, "12345678"), 1),
        trigger=Trigger.RETRY,
    )
    await here.record(manual, retried)
    progress, counts, found = await here.audit()
    assert counts == {"VANISHED": 1}, found
    assert manual.run_id in found[0]
    assert progress.tally.manual == 1


async def test_a_backfill_of_a_range_before_its_job(here: Past) -> None:
    job = await here.job(created_ms=END_MS + 60_000)
    runs = [
        dataclasses.replace(
            await here.publish(job, at_ms, run_id=backfill_run_id(at_ms, "early"), late_ms=300_000),
            trigger=Trigger.BACKFILL,
        )
        for at_ms in range(START_MS, END_MS, 10_000)
    ]
    await here.record(*runs)
    progress, counts, found = await here.audit()
    assert (counts, progress.tally.manual, progress.tally.published) == ({}, 6, 6), found
    assert progress.tally.latest_ms == 0, "a backfill is not late"
    await here.record(dataclasses.replace(runs[1], revision=2, offset=runs[2].offset))
    await here.publish(job, START_MS + 5_000, run_id=backfill_run_id(START_MS + 5_000, "early"))
    _, counts, _ = await here.audit()
    assert counts == {"VANISHED": 1, "UNRECORDED": 1}


async def test_an_instant_in_the_range_that_was_given_after_it(here: Past) -> None:
    # It was past already: nobody missed it.
    job = await here.job(at_ms=START_MS + 30_000, created_ms=END_MS + 60_000)
    await here.record(await here.publish(job, START_MS + 30_000, late_ms=120_000))
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.tally.latest_ms == 0


async def test_an_open_run_is_no_finding_within_its_time(here: Past) -> None:
    job = await here.job(NONE_S)
    at_ms = START_MS
    run = here.world.run(
        job,
        at_ms,
        state=RunState.PENDING,
        trigger=Trigger.MANUAL,
        run_id=manual_run_id(at_ms, "12345678"),
    )
    await here.record(run)
    progress, counts, _ = await here.audit()
    assert counts == {}
    assert progress.unproven.open == 1
    await here.record(dataclasses.replace(run, revision=2, update_ms=at_ms - 86_400_000))
    _, counts, _ = await here.audit()
    assert counts == {"UNFINISHED": 1}


async def test_what_is_older_than_the_retention_is_not_proven(here: Past) -> None:
    await here.job(1, retention_s=60)
    progress, counts, _ = await here.audit()
    assert counts == {}
    assert progress.unproven.runs_expired == 1


async def test_a_job_that_is_removed_while_it_is_audited_is_not_proven(
    here: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.fire(await here.job())
    store = await read_sqlite(here.folder / "tickwheel.db", SystemClock())

    async def gone(_keys: Iterable[JobKey]) -> dict[JobKey, Job]:
        return {}

    monkeypatch.setattr(store.jobs, "get_many", gone)
    progress, counts, _ = await here.audit(store=store)
    await store.close()
    assert counts == {}
    assert progress.unproven.runs_expired == 1


async def test_one_job_or_one_user(here: Past) -> None:
    good, bad = await here.job(job_id="good"), await here.job(job_id="bad")
    await here.fire(good)
    scope = dataclasses.replace(here.scope(), user=here.world.user, job_id="good")
    progress, counts, _ = await here.audit(scope)
    assert (progress.jobs, counts) == (1, {})
    _, counts, _ = await here.audit(dataclasses.replace(scope, job_id="bad"))
    assert counts == {"MISSING": 12}
    _, counts, _ = await here.audit(dataclasses.replace(scope, job_id="", user="nobody"))
    assert counts == {}
    assert bad.user == good.user


async def test_long_ranges_go_window_by_window(here: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "WINDOW_RUNS", 7)
    monkeypatch.setattr(judging, "SHORTEST_MS", 2_000)
    job = await here.job(1)
    runs = await here.fire(job)
    await here.publish(job, runs[30].schedule_ms, late_ms=900)
    progress, counts, found = await here.audit()
    assert counts == {}, found
    assert progress.tally.occurrences == progress.tally.published == 60
    assert progress.tally.duplicates == 1


async def test_it_goes_on_where_it_was_interrupted(
    here: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickwheel.server.proof.auditor._SIDE_BY_SIDE", 3)
    for number in range(10):
        job = await here.job()
        await here.fire(job, end_ms=END_MS - (5_000 if number % 2 else 0))
    whole, expected, _ = await here.audit()
    assert expected == {"MISSING": 5}
    path = tmp_path / "checkpoint"
    # Ten jobs, three at a time: the store fails after each three.
    for _ in range(3):
        notebook = Notebook.open(path, here.scope().to_json(), "call")
        store = await read_sqlite(here.folder / "tickwheel.db", SystemClock())
        get_many, calls = store.jobs.get_many, itertools.count()

        async def failing(
            keys: Iterable[JobKey], get_many: GetMany = get_many, calls: Iterator[int] = calls
        ) -> dict[JobKey, Job]:
            if next(calls):
                raise StoreUnavailable("broken")
            return await get_many(keys)

        monkeypatch.setattr(store.jobs, "get_many", failing)
        with pytest.raises(StoreUnavailable):
            await here.audit(notebook=notebook, store=store)
        notebook.close()
        await store.close()
    notebook = Notebook.open(path, "not this", "call")
    progress, counts, _ = await here.audit(notebook=notebook)
    notebook.close()
    assert counts == expected
    assert progress.tally == whole.tally
    with pytest.raises(NotebookError, match="other arguments"):
        Notebook.open(path, here.scope().to_json(), "another call")
    (tmp_path / "rubbish").write_bytes(b"no database" * 1000)
    with pytest.raises(NotebookError):
        Notebook.open(tmp_path / "rubbish", here.scope().to_json(), "call")


#: Opens an audit's file, and is killed when it notes something for the so-many-eth time.
_KILLED = """
import itertools, os, pathlib, signal, sys
from tickwheel.server.proof import notebook
put, calls, last = notebook.Notebook._put, itertools.count(1), int(sys.argv[2])
def killed(self, name, value):
    put(self, name, value)
    if next(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
notebook.Notebook._put = killed
notebook.Notebook.open(pathlib.Path(sys.argv[1]), "{}", "call")
"""


@pytest.mark.parametrize("note", [1, 2])
def test_an_audit_that_is_killed_as_it_begins_may_begin_again(tmp_path: Path, note: int) -> None:
    path = tmp_path / "checkpoint"
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(note)], check=False)
    assert ended.returncode == -signal.SIGKILL
    notebook = Notebook.open(path, "scope", "call")
    assert notebook.scope == "scope"
    notebook.close()
    Notebook.open(path, "another scope", "call").close()


def test_of_an_earlier_release_such_an_audit_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    Notebook.open(path, "scope", "call").close()
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute("DELETE FROM notes WHERE name = 'call'")
    with pytest.raises(NotebookError, match="had not begun: remove it first"):
        Notebook.open(path, "scope", "call")
