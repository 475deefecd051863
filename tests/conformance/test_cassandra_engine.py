"""What the Cassandra engine does beyond the suite: migration, claims, shards, lost answers."""

import asyncio
import contextlib
import dataclasses
import importlib
import uuid
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from engines_fixtures import CassandraServer

from conformance.world import DAY_MS, HOUR_MS, MINUTE_MS, World, a_spec
from tickwheel.server.domain.clock import SystemClock
from tickwheel.server.domain.errors import OutcomeUnknown, StoreUnavailable
from tickwheel.server.domain.job import Job, Payload, PayloadKind
from tickwheel.server.domain.lease import SchedulerSession
from tickwheel.server.domain.run import Run, RunState
from tickwheel.server.store.cassandra import (
    CassandraOptions,
    SchemaOptions,
    claims,
    entries,
    migrate,
    open_cassandra,
    run_log,
    sweeper,
)
from tickwheel.server.store.cassandra.claims import ABANDONED_MS, IdClaim, IdClaims, RequestClaims
from tickwheel.server.store.cassandra.driver import Bound, Driver, Kind
from tickwheel.server.store.cassandra.engine import CassandraStore
from tickwheel.server.store.cassandra.job_rows import JobRows
from tickwheel.server.store.cassandra.partition import WEEK_MS, bucket_of
from tickwheel.server.store.cassandra.schema import STEPS
from tickwheel.server.store.cassandra.session import CassandraSession, Conditional
from tickwheel.server.store.port import (
    Created,
    IdContested,
    IdTaken,
    JobChange,
    NewJob,
    RequestReused,
    Spot,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


class ShiftedClock(SystemClock):
    """The machine's clock, put forward or back."""

    shift_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.shift_ms

    def now_us(self) -> int:
        return super().now_us() + self.shift_ms * 1000


@pytest.fixture(scope="module")
def options(cassandra_server: CassandraServer) -> CassandraOptions:
    return CassandraOptions(
        contact_points=cassandra_server.contact_points, keyspace=f"test_{uuid.uuid4().hex[:12]}"
    )


@pytest.fixture(scope="module")
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(options: CassandraOptions, clock: ShiftedClock) -> AsyncIterator[CassandraStore]:
    await migrate(options, SchemaOptions(), clock)
    opened = await open_cassandra(options, clock)
    yield opened
    await opened.session.text(f"DROP KEYSPACE {options.keyspace}", Kind.SCHEMA)
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: CassandraStore) -> World:
    return await World.of(store)


@dataclasses.dataclass
class Parts:
    """Another process's claims, which can be left half done."""

    rows: JobRows
    ids: IdClaims
    requests: RequestClaims
    session: CassandraSession
    clock: ShiftedClock


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parts(store: CassandraStore, options: CassandraOptions) -> AsyncIterator[Parts]:
    clock = ShiftedClock()
    driver = await asyncio.to_thread(Driver.connect, options)
    session = CassandraSession(driver, options, clock)

    def prepare() -> Parts:
        rows = JobRows(driver, session)
        return Parts(
            rows,
            IdClaims(driver, session, clock, rows),
            RequestClaims(driver, session),
            session,
            clock,
        )

    yield await asyncio.to_thread(prepare)
    await session.close()


# -- opening and migrating -------------------------------------------------------------------


async def test_migrations_from_two_places_at_once(options: CassandraOptions) -> None:
    fresh = dataclasses.replace(options, keyspace=f"test_{uuid.uuid4().hex[:12]}")
    with pytest.raises(StoreUnavailable, match=fresh.keyspace):
        await open_cassandra(fresh, SystemClock())
    taken = await asyncio.gather(
        *(migrate(fresh, SchemaOptions(segments=8), SystemClock()) for _ in range(2))
    )
    assert sorted(len(steps) for steps in taken) == [0, len(STEPS)]
    assert await migrate(fresh, SchemaOptions(segments=16), SystemClock()) == []
    store = await open_cassandra(fresh, SystemClock())
    assert await store.leases.segment_count() == 8
    await store.ping()
    await store.session.text(f"DROP KEYSPACE {fresh.keyspace}", Kind.SCHEMA)
    await store.close()
    await store.close()


async def test_keyspace_of_an_earlier_release_is_brought_up_to_date(
    options: CassandraOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = dataclasses.replace(options, keyspace=f"test_{uuid.uuid4().hex[:12]}")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module(migrate.__module__), "STEPS", STEPS[:1])
        assert await migrate(earlier, SchemaOptions(), SystemClock()) == [STEPS[0]]
    with pytest.raises(StoreUnavailable, match="schema version 1"):
        await open_cassandra(earlier, SystemClock())
    assert await migrate(earlier, SchemaOptions(), SystemClock()) == list(STEPS[1:])
    store = await open_cassandra(earlier, SystemClock())
    assert await store.open_runs.read(range(64)) == []
    await store.session.text(f"DROP KEYSPACE {earlier.keyspace}", Kind.SCHEMA)
    await store.close()


@pytest.mark.parametrize(
    ("keyspace", "schema"),
    [
        ("bad-name", SchemaOptions()),
        ("x; DROP", SchemaOptions()),
        ("good", SchemaOptions(segments=0)),
        ("good", SchemaOptions(segments=4097)),
        ("good", SchemaOptions(datacenters={"d'c": 3})),
    ],
)
async def test_migration_refuses_what_is_no_name(
    options: CassandraOptions, keyspace: str, schema: SchemaOptions
) -> None:
    with pytest.raises(ValueError, match=r"."):
        await migrate(dataclasses.replace(options, keyspace=keyspace), schema, SystemClock())


async def test_nobody_answers(options: CassandraOptions) -> None:
    nobody = dataclasses.replace(options, contact_points=["127.0.0.1:1"])
    async with asyncio.timeout(3):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
            await open_cassandra(nobody, SystemClock())


async def test_closed_store_is_unavailable(
    options: CassandraOptions, store: CassandraStore
) -> None:
    other = await open_cassandra(options, SystemClock())
    await other.close()
    with pytest.raises(StoreUnavailable):
        await other.ping()
    await store.ping()


# -- cost ------------------------------------------------------------------------------------


async def test_idle_polling_is_a_handful_of_statements(store: CassandraStore, world: World) -> None:
    now_ms = world.now_ms()
    jobs = [world.job(segment=segment) for segment in range(world.segments)]
    entries_ = [world.entry(job, now_ms - 100) for job in jobs]
    await store.jobs.create(
        [
            NewJob(job=job, entry=entry, inbox=world.inbox(job, entry))
            for job, entry in zip(jobs, entries_, strict=True)
        ]
    )
    before = store.session.sent
    assert len(await store.schedule.read_due(range(64), now_ms - 500, now_ms + 5_000)) >= 64
    assert len(await store.schedule.read_inbox(range(64), now_ms - 2_000)) >= 64
    assert store.session.sent - before <= 8


async def test_created_together_are_read_together(store: CassandraStore, world: World) -> None:
    jobs = [world.job() for _ in range(1000)]
    before = store.session.sent
    await world.create(*jobs)
    assert store.session.sent - before <= 20
    before = store.session.sent
    assert len(await store.jobs.get_many([job.key for job in jobs])) == 1000
    assert store.session.sent - before <= 12


async def test_calls_at_the_same_time_share_statements(store: CassandraStore, world: World) -> None:
    fire_ms = world.now_ms() + HOUR_MS
    items = [NewJob(job=job, entry=world.entry(job, fire_ms)) for job in (world.job(),) * 1]
    await store.jobs.create(items)
    items = [NewJob(job=(job := world.job()), entry=world.entry(job, fire_ms)) for _ in range(64)]
    before = store.session.sent
    await asyncio.gather(*(store.jobs.create([item]) for item in items))
    # Segments' hours that are not registered yet included.
    assert store.session.sent - before <= 40


async def test_runs_are_got_together(store: CassandraStore, world: World) -> None:
    """A thousand jobs of one instant, a thousand runs of one job."""
    jobs = [world.job(segment=25) for _ in range(1000)]
    owner = await world.own(25)
    base_ms = world.now_ms() // WEEK_MS * WEEK_MS
    runs = [world.run(job, base_ms) for job in jobs]
    runs += [world.run(jobs[0], base_ms + number * 1000) for number in range(1, 1001)]
    await store.runs.record(owner.stamp(), runs)
    for some in (runs[:1000], runs[1000:]):
        before = store.session.sent
        found = await store.runs.get_many([(run.job_uid, run.run_id) for run in some])
        assert found == {(run.job_uid, run.run_id): run for run in some}
        assert store.session.sent - before <= 16


# -- open runs -------------------------------------------------------------------------------


async def test_minutes_that_are_done_with_are_let_go_of(
    store: CassandraStore, world: World, options: CassandraOptions
) -> None:
    """Also such as hold a row of which no owner knows, and without a scan of what was there."""
    owner = await world.own(26)
    now_us = owner.stamp().timestamp_us
    base_ms = world.now_ms() - HOUR_MS
    job = world.job(segment=26)
    runs = [world.run(job, base_ms + i * 60_000, create_ms=base_ms + i * 60_000) for i in range(10)]
    early = dataclasses.replace(owner.stamp(), timestamp_us=now_us - 10 * 60_000_000)
    await store.open_runs.put(early, runs)
    kept = [runs[3], runs[7]]
    before = store.session.sent
    await store.open_runs.tidy(owner.stamp(), [run.create_ms for run in kept])
    assert store.session.sent - before <= 4
    assert await world.open_of([26]) == kept

    async def stored(table: str) -> list[int]:
        rows = await store.session.text(
            f"SELECT segment, bucket FROM {options.keyspace}.{table}", Kind.READ
        )
        return sorted(row[1] for row in rows if row[0] == 26)

    buckets = [bucket_of(run.create_ms) for run in kept]
    assert await stored("open_run_buckets") == buckets
    assert await stored("open_runs") == buckets
    before = store.session.sent
    await store.open_runs.tidy(owner.stamp(), [run.create_ms for run in kept])
    assert store.session.sent - before == 1
    await store.open_runs.remove(owner.stamp(), kept)
    later = dataclasses.replace(owner.stamp(), timestamp_us=now_us + 10 * 60_000_000)
    await store.open_runs.tidy(later, [])
    assert await stored("open_run_buckets") == []
    assert await world.open_of([26]) == []


async def test_tidy_swallows_no_write_beside_it(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put into a minute that an owner long ago registered, and that is tidied meanwhile."""
    owner = await world.own(27)
    now_us = owner.stamp().timestamp_us
    create_ms = world.now_ms() - HOUR_MS
    first, second = (
        world.run(world.job(segment=27), create_ms, create_ms=create_ms) for _ in range(2)
    )
    early = dataclasses.replace(owner.stamp(), timestamp_us=now_us - 130_000_000)
    await store.open_runs.put(early, [first])
    put_stamp, tidy_stamp = owner.stamp(), owner.stamp()
    write = store.session.write

    async def write_after_a_tidy(rows: Sequence[Bound]) -> None:
        if any(row.prepared.table == "open_runs" for row in rows):
            with monkeypatch.context() as patch:
                patch.setattr(store.session, "write", write)
                await store.open_runs.tidy(tidy_stamp, [])
        await write(rows)

    with monkeypatch.context() as patch:
        patch.setattr(store.session, "write", write_after_a_tidy)
        await store.open_runs.put(put_stamp, [second])
    assert await world.open_of([27]) == [second]


async def test_put_after_another_process_tidied(
    store: CassandraStore, world: World, options: CassandraOptions
) -> None:
    """This process still remembers to have registered the minute; it owns the segment again."""
    create_ms = world.now_ms() - HOUR_MS
    run = world.run(world.job(segment=28), create_ms, create_ms=create_ms)
    first = await world.own(28)
    past = dataclasses.replace(
        first.stamp(), timestamp_us=first.stamp().timestamp_us - 10 * 60_000_000
    )
    await store.open_runs.put(past, [run])
    await store.open_runs.remove(
        dataclasses.replace(past, timestamp_us=past.timestamp_us + 1), [run]
    )
    other = await open_cassandra(options, SystemClock())
    second = await world.own(28)
    await other.open_runs.tidy(second.stamp(), [])
    await other.close()
    third = await world.own(28)
    await store.open_runs.put(third.stamp(), [run])
    assert await world.open_of([28]) == [run]


# -- shards ----------------------------------------------------------------------------------


async def test_full_bucket_goes_on_in_the_next_shard(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "SHARD_ROWS", 10)
    owner = await world.own(20)
    base_ms = (world.now_ms() // HOUR_MS - 30) * HOUR_MS
    job = world.job(segment=20)
    rows = [world.entry(job, base_ms + number) for number in range(35)]
    await store.schedule.advance(owner.stamp(), rows, [])
    assert await world.due(job, base_ms, base_ms + 100) == rows
    assert await store.schedule.first_fire_ms(20, base_ms + 7) == base_ms + 7
    await store.schedule.advance(owner.stamp(), [], rows[::2])
    assert await world.due(job, base_ms, base_ms + 100) == rows[1::2]
    monkeypatch.setattr(entries, "API_SLACK_US", 0)
    assert (await store.schedule.drop_before(owner.stamp(), base_ms + 2 * HOUR_MS)).buckets == 1
    assert await world.due(job, base_ms, base_ms + 100) == []
    assert (await store.schedule.first_fire_ms(20, base_ms) or base_ms + HOUR_MS) > base_ms + 100


async def test_what_came_late_to_a_dropped_bucket_goes_with_its_hour(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then no bucket is looked at twice."""
    monkeypatch.setattr(entries, "API_SLACK_US", 0)
    monkeypatch.setattr(entries, "LATE_US", 0)
    owner = await world.own(19)
    hour_ms = (world.now_ms() // HOUR_MS - 40 * 24) * HOUR_MS
    first, late = world.job(segment=19), world.job(segment=19)
    await store.jobs.create([NewJob(job=first, entry=world.entry(first, hour_ms))])
    assert (await store.schedule.drop_before(owner.stamp(), hour_ms + HOUR_MS // 6)).buckets == 1
    row = world.entry(late, hour_ms + HOUR_MS // 60)
    await store.jobs.create([NewJob(job=late, entry=row)])
    assert (await store.schedule.drop_before(owner.stamp(), hour_ms + HOUR_MS // 3)).buckets == 0
    assert await world.due(late, hour_ms, hour_ms + HOUR_MS) == [row]
    assert (await store.schedule.drop_before(owner.stamp(), hour_ms + HOUR_MS)).buckets == 1
    assert await world.due(late, hour_ms, hour_ms + HOUR_MS) == []


async def test_dropped_bucket_can_be_written_again(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its registration is gone, and this process remembers to have made it."""
    monkeypatch.setattr(entries, "API_SLACK_US", 0)
    monkeypatch.setattr(entries, "LATE_US", 0)
    owner = await world.own(21)
    fire_ms = world.now_ms() - 40 * DAY_MS
    first, second = world.job(segment=21), world.job(segment=21)
    await store.jobs.create([NewJob(job=first, entry=world.entry(first, fire_ms))])
    assert (await store.schedule.drop_before(owner.stamp(), fire_ms + DAY_MS)).buckets == 1
    assert await world.due(first, fire_ms, fire_ms + 1) == []
    assert await store.schedule.first_fire_ms(21, fire_ms) != fire_ms
    entry = world.entry(second, fire_ms)
    await store.jobs.create([NewJob(job=second, entry=entry)])
    assert await world.due(second, fire_ms, fire_ms + 1) == [entry]


async def test_run_log_of_several_shards_is_paged_through_in_order(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded twice may stand in two of them."""
    monkeypatch.setattr(run_log, "SHARD_ROWS", 10)
    owner = await world.own(29)
    base_ms = world.now_ms() // MINUTE_MS * MINUTE_MS - 30 * HOUR_MS
    job = world.job(segment=29)
    runs = [world.run(job, base_ms + i, update_ms=base_ms + i) for i in range(35)]
    for some in (runs[20:], runs[:25], runs[3:8]):
        await store.runs.record(owner.stamp(), some)
    for limit in (1, 7, 100):
        read: list[Run] = []
        cursor: bytes | None = b""
        while cursor is not None:
            page = await store.runs.page_log(
                29, cursor, limit, start_ms=base_ms, end_ms=base_ms + HOUR_MS
            )
            read += page.items
            cursor = page.cursor
        assert read == runs


async def test_a_page_of_the_run_log_is_a_handful_of_statements(
    store: CassandraStore, world: World
) -> None:
    owner = await world.own(30)
    base_ms = world.now_ms() // HOUR_MS * HOUR_MS - 40 * HOUR_MS
    job = world.job(segment=30)
    runs = [world.run(job, base_ms + i, update_ms=base_ms + i) for i in range(1_000)]
    await store.runs.record(owner.stamp(), runs)
    before = store.session.sent
    page = await store.runs.page_log(30, b"", 1_000, start_ms=base_ms, end_ms=base_ms + HOUR_MS)
    assert list(page.items) == runs
    assert store.session.sent - before <= 4


async def test_what_the_index_of_the_schedule_has_lost_is_written_again(
    store: CassandraStore, options: CassandraOptions, world: World
) -> None:
    """Who mends a job finds its row no more, and writes it where the index has to lead."""
    owner = await world.own(28)
    fire_ms = world.now_ms() + 5 * HOUR_MS
    jobs = [world.job(segment=28) for _ in range(2)]
    rows = [world.entry(job, fire_ms) for job in jobs]
    await store.schedule.advance(owner.stamp(), rows, [])
    await store.session.text(
        f"DELETE FROM {options.keyspace}.segment_buckets "
        f"WHERE segment = 28 AND hour = {fire_ms // HOUR_MS}",
        Kind.WRITE,
    )
    assert await store.schedule.read_at([Spot(28, fire_ms, jobs[0].uid)]) == []
    await store.schedule.advance(owner.stamp(), rows[:1], [])
    found = await store.schedule.read_due([28], fire_ms, fire_ms + 1)
    assert {row.uid for row in found} == {job.uid for job in jobs}


# -- changes ---------------------------------------------------------------------------------


async def test_a_change_that_its_caller_does_not_wait_for_any_more_is_told(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client has given up, say. The change stands, so its owner has to hear of it."""
    job = world.job()
    await world.create(job)
    change = world.changed(job, dataclasses.replace(job, paused=True))
    conditional = store.session.conditional

    async def applied(bound: Bound) -> Conditional:
        result = await conditional(bound)
        assert result.applied
        changing.cancel()
        return result

    monkeypatch.setattr(store.session, "conditional", applied)
    changing = asyncio.create_task(store.jobs.change(change))
    with pytest.raises(asyncio.CancelledError):
        await changing
    async with asyncio.timeout(20):
        while not await world.inbox_of([job.segment], change.inbox.write_ms):
            await asyncio.sleep(0.005)
    assert await store.jobs.find(world.user, job.job_id) == change.after


async def test_a_deleted_job_goes_in_the_end_though_its_api_ends_when_it_is_deleted(
    store: CassandraStore,
    options: CassandraOptions,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = world.job()
    await world.create(job)
    conditional = store.session.conditional

    async def ends(bound: Bound) -> Conditional:
        assert (await conditional(bound)).applied
        raise RuntimeError("its last breath")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="breath"):
        patch.setattr(store.session, "conditional", ends)
        await world.delete(job)
    noted = await store.session.text(f"SELECT job_id FROM {options.keyspace}.job_expiry", Kind.READ)
    assert job.uid in {str(row[0]) for row in noted}


# -- claims ----------------------------------------------------------------------------------


async def test_abandoned_claim_is_taken_over(
    store: CassandraStore, world: World, parts: Parts
) -> None:
    """And what its claimant still had under way never takes effect."""
    lost, job = world.job("contested"), world.job("contested")
    parts.clock.shift_ms = -ABANDONED_MS - 1_000
    started_us = parts.clock.now_us()
    assert await parts.ids.claim(lost) is IdClaim.MINE
    assert await store.jobs.create([NewJob(job=job, entry=None, id_chosen=True)]) == [Created(job)]
    await parts.session.write([parts.rows.creation_row(lost, started_us, None)])
    assert await store.jobs.get_many([lost.key]) == {}
    assert await store.jobs.find(world.user, "contested") == job


async def test_a_creation_that_begins_anew_as_its_claim_is_taken_for_abandoned_stands(
    store: CassandraStore, world: World, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has read the old claim, and buries what was begun by it."""
    monkeypatch.setattr(claims, "CONTEST_TRIES", 4)
    first, other = world.job("anew"), world.job("anew")
    parts.clock.shift_ms = -ABANDONED_MS - 1_000
    assert await parts.ids.claim(first) is IdClaim.MINE
    parts.clock.shift_ms = -2_000
    started_us = parts.clock.now_us()
    write = store.session.write

    async def buried(statements: Sequence[Bound]) -> None:
        await write(statements)
        if any(one.partition[0].endswith("job_table") for one in statements):
            assert await parts.ids.claim(first) is IdClaim.MINE
            await parts.session.write([parts.rows.creation_row(first, started_us, None)])

    monkeypatch.setattr(store.session, "write", buried)
    assert await store.jobs.create([NewJob(job=other, entry=None, id_chosen=True)]) == [IdTaken()]
    assert await store.jobs.find(world.user, "anew") == first


async def test_claim_under_way_is_waited_for(
    store: CassandraStore, world: World, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CONTEST_TRIES", 4)
    parts.clock.shift_ms = 0
    winner, loser, other = world.job("slow"), world.job("slow"), world.job()
    started_us = parts.clock.now_us()
    assert await parts.ids.claim(winner) is IdClaim.MINE
    late = NewJob(job=loser, entry=None, id_chosen=True)
    assert await store.jobs.create([late]) == [IdContested()]
    # The others of a batch have answers of their own.
    both = [late, NewJob(job=other, entry=None)]
    assert await store.jobs.create(both) == [IdContested(), Created(other)]
    assert await store.jobs.find(world.user, other.job_id) == other
    await parts.session.write([parts.rows.creation_row(winner, started_us, None)])
    assert await store.jobs.create([late]) == [IdTaken()]
    assert await store.jobs.find(world.user, "slow") == winner


async def test_ids_of_a_creation_that_the_store_failed_are_free_at_once(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditional = store.session.conditional

    async def away(bound: Bound) -> Conditional:
        if b"half-b" in bound.packed:
            raise StoreUnavailable("away")
        return await conditional(bound)

    jobs = [world.job(name) for name in ("half-a", "half-b")]
    items = [NewJob(job=job, entry=None, id_chosen=True) for job in jobs]
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(store.session, "conditional", away)
        await store.jobs.create(items)
    again = world.job("half-a")
    asked_ms = world.clock.steady_ms()
    assert await store.jobs.create([NewJob(job=again, entry=None, id_chosen=True)]) == [
        Created(again)
    ]
    assert world.clock.steady_ms() - asked_ms < 1_000 * claims.CONTEST_TRIES * claims.CONTEST_WAIT_S


async def test_a_creation_that_the_store_failed_when_some_were_stored_says_so(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of one id come one after the other."""
    first, second = world.job("twice"), world.job("twice")
    conditional = store.session.conditional

    async def away(bound: Bound) -> Conditional:
        if uuid.UUID(second.uid).bytes in bound.packed:
            raise StoreUnavailable("away")
        return await conditional(bound)

    monkeypatch.setattr(store.session, "conditional", away)
    with pytest.raises(OutcomeUnknown):
        await store.jobs.create(
            [NewJob(job=job, entry=None, id_chosen=True) for job in (first, second)]
        )
    assert await store.jobs.find(world.user, "twice") == first


async def test_request_is_finished_as_it_was_begun(
    store: CassandraStore, world: World, parts: Parts
) -> None:
    begun, again = world.job(), world.job()
    fire_ms = world.now_ms() - 5_000
    item = NewJob(
        job=begun,
        entry=world.entry(begun, fire_ms),
        request_id="unfinished",
        request_digest=b"digest",
    )
    assert (await parts.requests.claim(item)).mine
    repeat = dataclasses.replace(item, job=again, entry=world.entry(again, fire_ms + 9))
    wrong = dataclasses.replace(repeat, request_digest=b"other")
    assert await store.jobs.create([wrong]) == [RequestReused()]
    now_ms = world.now_ms()
    (result,) = await store.jobs.create([repeat])
    assert isinstance(result, Created)
    assert result.repeated
    assert result.job.uid == begun.uid == result.job.job_id
    assert result.job.create_ms == begun.create_ms
    assert result.job.segment == begun.segment
    (entry,) = await world.due(result.job, now_ms, now_ms + 5_000)
    assert (entry.uid, entry.schedule_ms) == (begun.uid, fire_ms)
    (told,) = await world.inbox_of([begun.segment], now_ms)
    assert told.entry == entry
    assert await store.jobs.get_many([again.key]) == {}


async def test_a_request_comes_again_when_its_job_is_past_its_retention(
    store: CassandraStore, world: World
) -> None:
    """It is remembered for longer than its job may be: it makes another one, which is there."""
    spec = a_spec(retention_s=1)
    before_ms = world.now_ms() - 3 * DAY_MS
    job = dataclasses.replace(world.job(segment=26, spec=spec), create_ms=before_ms)
    again = world.job(segment=26, spec=spec)
    item = NewJob(job=job, entry=None, request_id="weekly", request_digest=b"digest")
    assert await store.jobs.create([item]) == [Created(job)]
    owner = await world.own(26)
    await store.jobs.complete(owner.stamp(), [(job.key, 1)], before_ms)
    await store.schedule.drop_before(owner.stamp(), world.now_ms())
    assert await store.jobs.get_many([job.key]) == {}
    repeat = dataclasses.replace(item, job=again, entry=world.entry(again, world.now_ms() + 9_000))
    (result,) = await store.jobs.create([repeat])
    assert isinstance(result, Created)
    assert await store.jobs.get_many([result.job.key]) == {result.job.key: result.job}
    assert result == Created(again)
    assert await store.jobs.create([repeat]) == [Created(again, repeated=True)]


# -- answers that are lost -------------------------------------------------------------------


@contextlib.contextmanager
def lost_answers(store: CassandraStore, monkeypatch: pytest.MonkeyPatch):
    """Transactions take effect, but nobody hears of it."""
    carry_out = store.session.conditional

    async def conditional(bound: Bound) -> Conditional:
        await carry_out(bound)
        raise OutcomeUnknown("the answer is lost")

    with monkeypatch.context() as patch:
        patch.setattr(store.session, "conditional", conditional)
        yield


async def test_lost_answers_are_read_back(
    store: CassandraStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, again = world.job("lost"), world.job("lost")
    session = SchedulerSession(
        session_id=f"s-{uuid.uuid4()}", address="a:1", beat=1, lease_until_ms=5
    )
    second = dataclasses.replace(session, beat=2)
    change = world.changed(job, dataclasses.replace(job, paused=True))
    stale = world.changed(job, dataclasses.replace(job, pause_reason="late"))
    with lost_answers(store, monkeypatch):
        owner = await world.own(22)
        assert await store.leases.release_segment(owner.lease)
        await store.leases.open_session(session)
        assert await store.leases.renew_session(second)
        assert not await store.leases.renew_session(dataclasses.replace(second, address="b:2"))
        assert not await store.leases.remove_session(session)
        assert await store.leases.remove_session(second)
        item = NewJob(job=job, entry=None, id_chosen=True, request_id="lost", request_digest=b"d")
        assert await store.jobs.create([item]) == [Created(job)]
        assert await store.jobs.create([dataclasses.replace(item, job=again)]) == [
            Created(job, repeated=True)
        ]
        assert await store.jobs.create([NewJob(job=again, entry=None, id_chosen=True)]) == [
            IdTaken()
        ]
        assert await store.jobs.change(change) == change.after
        assert await store.jobs.change(stale) is None
    assert await store.jobs.change(change) == change.after
    assert len(await store.jobs.history(job.key)) == 1


# -- races -----------------------------------------------------------------------------------


@pytest.mark.parametrize("apart_ms", [0, 1_000], ids=["same place", "apart"])
async def test_lost_race_leaves_no_entry(
    store: CassandraStore, world: World, apart_ms: int
) -> None:
    job = world.job()
    await world.create(job)
    fire_ms = world.now_ms() + HOUR_MS
    rivals: list[JobChange] = []
    for number in range(6):
        after = dataclasses.replace(job, generation=2, pause_reason=str(number))
        entry = world.entry(after, fire_ms + number * apart_ms, ordinal=number)
        rivals.append(world.changed(job, after, entry=entry))
    results = await asyncio.gather(*(store.jobs.change(change) for change in rivals))
    (winner,) = [change for change, done in zip(rivals, results, strict=True) if done is not None]
    assert await world.due(job, fire_ms, fire_ms + HOUR_MS) == [winner.entry]


async def test_ghosts_are_not_read(store: CassandraStore, world: World) -> None:
    """A former owner's late state stands elsewhere in the log than the present owner's."""
    former = await world.own(23)
    stale = former.stamp()
    owner = await world.own(23)
    job = world.job(segment=23)
    base_ms = world.now_ms()
    pending = world.run(job, base_ms, state=RunState.PENDING, update_ms=base_ms)
    mine = world.run(job, base_ms, revision=2, update_ms=base_ms + 5)
    ghosts = [
        world.run(job, base_ms, revision=2, state=RunState.FAILED, update_ms=base_ms + 3),
        world.run(job, base_ms, revision=3, state=RunState.FAILED, update_ms=base_ms + 9),
        # An end that the next owner did not know: it has gone on, by two states at once.
        world.run(job, base_ms + 20, revision=2, update_ms=base_ms + 24),
    ]
    again = world.run(
        job, base_ms + 20, revision=3, state=RunState.PENDING, attempt=2, update_ms=base_ms + 28
    )
    await store.runs.record(former.stamp(), [pending])
    await store.runs.record(owner.stamp(), [mine, again])
    await store.runs.record(stale, ghosts)
    assert await world.log_of([23], base_ms) == [pending, mine, again]
    assert await store.runs.get(job.uid, mine.run_id) == mine


# -- retention -------------------------------------------------------------------------------


async def test_jobs_go_after_their_retention(
    store: CassandraStore, world: World, clock: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "GROUP", 2)
    spec = a_spec(retention_s=3_600)
    large = Payload(PayloadKind.DATA, b"x" * 10_000)

    def job(name: str | None = None) -> Job:
        return world.job(name, segment=24, spec=spec, payload=large)

    done, kept, revived, deleted = job(), job(), job(), job("named")
    long = world.job(segment=24, spec=a_spec(retention_s=30 * 86_400))
    await world.create(done, kept, revived, long)
    await world.create(deleted, chosen=True)
    owner = await world.own(24)
    now_ms = world.now_ms()
    await store.jobs.complete(owner.stamp(), [(j.key, 1) for j in (done, revived, long)], now_ms)
    change = world.changed(revived, dataclasses.replace(revived, generation=2))
    assert await store.jobs.change(change) is not None
    await world.delete(deleted)
    everyone = [j.key for j in (done, kept, revived, deleted, long)]
    await store.schedule.drop_before(owner.stamp(), now_ms)
    assert len(await store.jobs.get_many(everyone)) == 5
    clock.shift_ms = 3 * DAY_MS
    try:
        await store.schedule.drop_before(owner.stamp(), now_ms)
    finally:
        clock.shift_ms = 0
    assert set(await store.jobs.get_many(everyone)) == {kept.key, revived.key, long.key}
    assert await store.jobs.find_all(world.user, "named") == []
    assert await store.jobs.history(deleted.key) == []
    page = await store.jobs.list(world.user, b"", 10)
    assert {j.uid for j in page.items} == {kept.uid, revived.uid, long.uid}
    clock.shift_ms = 40 * DAY_MS
    try:
        await store.schedule.drop_before(owner.stamp(), now_ms)
    finally:
        clock.shift_ms = 0
    assert set(await store.jobs.get_many(everyone)) == {kept.key, revived.key}


async def test_what_a_removal_has_left_that_ended_halfway_goes_with_the_next(
    store: CassandraStore,
    options: CassandraOptions,
    world: World,
    clock: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = a_spec(retention_s=3_600)
    large = Payload(PayloadKind.DATA, b"x" * 10_000)
    named = world.job("half-gone", segment=25, spec=spec)
    deleted = world.job(segment=25, spec=spec, payload=large)
    plain = world.job(segment=25, spec=spec)
    await world.create(named, chosen=True)
    await world.create(deleted, plain)
    owner = await world.own(25)
    now_ms = world.now_ms()
    await store.jobs.complete(owner.stamp(), [(j.key, 1) for j in (named, plain)], now_ms)
    await world.delete(deleted)
    write = store.session.write

    async def away(statements: Sequence[Bound]) -> None:
        if any(one.partition[0].endswith("job_payloads") for one in statements):
            raise StoreUnavailable("away")
        await write(statements)

    async def left() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for table in ("job_table", "job_changes", "job_payloads", "job_ids", "user_periods"):
            cells = "user_id" if table == "user_periods" else "job_id"
            select = f"SELECT {cells} FROM {options.keyspace}.{table}"
            rows = await store.session.text(select, Kind.READ)
            mine = {named.uid, deleted.uid, plain.uid, world.user}
            found[table] = mine & {str(row[0]) for row in rows}
        return {table: rows for table, rows in found.items() if rows}

    try:
        clock.shift_ms = 3 * DAY_MS
        with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
            patch.setattr(store.session, "write", away)
            await store.schedule.drop_before(owner.stamp(), now_ms)
        assert await left() == {
            "job_changes": {named.uid, deleted.uid},
            "job_payloads": {deleted.uid},
            "job_ids": {named.uid},
            "user_periods": {world.user},
        }
        clock.shift_ms += 2 * HOUR_MS
        assert (await store.schedule.drop_before(owner.stamp(), now_ms)).removals == 2
        assert await left() == {}
        clock.shift_ms += 2 * HOUR_MS
        assert (await store.schedule.drop_before(owner.stamp(), now_ms)).removals == 0
    finally:
        clock.shift_ms = 0
