"""Sessions of schedulers and leases of segments."""

import asyncio
import uuid
from dataclasses import replace

from conformance.suite import case
from conformance.world import World
from tickwheel.server.domain.lease import SchedulerSession


def a_session(world: World) -> SchedulerSession:
    return SchedulerSession(
        session_id=f"s-{uuid.uuid4()}",
        address="10.0.0.7:7421",
        beat=1,
        lease_until_ms=world.now_ms() + 10_000,
        version="1.2.3",
    )


async def seen(world: World, session_id: str) -> SchedulerSession | None:
    for session in await world.store.leases.sessions():
        if session.session_id == session_id:
            return session
    return None


def beaten(session: SchedulerSession) -> SchedulerSession:
    return replace(session, beat=session.beat + 1, lease_until_ms=session.lease_until_ms + 3_000)


@case
async def session_is_opened_and_renewed(world: World) -> None:
    session = a_session(world)
    await world.store.leases.open_session(session)
    assert await seen(world, session.session_id) == session
    for _ in range(3):
        session = beaten(session)
        assert await world.store.leases.renew_session(session)
        assert await seen(world, session.session_id) == session


@case
async def renewal_needs_the_beat_before(world: World) -> None:
    session = a_session(world)
    await world.store.leases.open_session(session)
    second = beaten(session)
    assert not await world.store.leases.renew_session(beaten(second))
    assert await world.store.leases.renew_session(second)
    assert not await world.store.leases.renew_session(replace(second, address="other:1"))
    assert await seen(world, session.session_id) == second


@case
async def unknown_session_is_not_renewed(world: World) -> None:
    session = beaten(a_session(world))
    assert not await world.store.leases.renew_session(session)
    assert await seen(world, session.session_id) is None


@case
async def session_that_ran_out_is_opened_again(world: World) -> None:
    session = a_session(world)
    await world.store.leases.open_session(session)
    # The scheduler does not know whether its last renewals arrived before the store went away.
    assert await world.store.leases.renew_session(beaten(session))
    for beat in (2, 7):
        again = replace(session, beat=beat, lease_until_ms=session.lease_until_ms + 60_000)
        await world.store.leases.open_session(again)
        assert await seen(world, session.session_id) == again
        again = beaten(again)
        assert await world.store.leases.renew_session(again)
        assert await seen(world, session.session_id) == again


@case
async def closed_session_is_told(world: World) -> None:
    session = a_session(world)
    await world.store.leases.open_session(session)
    await world.store.leases.close_session(session.session_id)
    found = await seen(world, session.session_id)
    assert found is not None
    assert found.closed
    await world.store.leases.close_session(f"s-{uuid.uuid4()}")
    assert await world.store.leases.remove_session(found)
    assert await seen(world, session.session_id) is None


@case
async def closed_session_is_not_renewed(world: World) -> None:
    """Its scheduler's last renewal may come late."""
    session = a_session(world)
    await world.store.leases.open_session(session)
    await world.store.leases.close_session(session.session_id)
    assert not await world.store.leases.renew_session(beaten(session))
    assert await seen(world, session.session_id) == replace(session, closed=True)


@case
async def removed_session_cannot_be_renewed(world: World) -> None:
    session = a_session(world)
    await world.store.leases.open_session(session)
    assert await world.store.leases.remove_session(session)
    assert await seen(world, session.session_id) is None
    assert not await world.store.leases.renew_session(beaten(session))
    assert await seen(world, session.session_id) is None
    assert not await world.store.leases.remove_session(session)


@case
async def living_session_is_not_removed(world: World) -> None:
    session = a_session(world)
    await world.store.leases.open_session(session)
    second = beaten(session)
    assert await world.store.leases.renew_session(second)
    assert not await world.store.leases.remove_session(session)
    assert await seen(world, session.session_id) == second


@case
async def renewal_and_removal_at_once(world: World) -> None:
    """One of them wins, never both."""
    for _ in range(10):
        session = a_session(world)
        await world.store.leases.open_session(session)
        renewed, removed = await asyncio.gather(
            world.store.leases.renew_session(beaten(session)),
            world.store.leases.remove_session(session),
        )
        assert renewed != removed
        assert (await seen(world, session.session_id) is not None) == renewed


@case
async def segments_are_all_told_in_order(world: World) -> None:
    segments = await world.store.leases.segments()
    assert [lease.segment for lease in segments] == list(range(world.segments))
    assert 1 <= world.segments <= 4096


@case
async def taken_segment_is_told(world: World) -> None:
    current = (await world.store.leases.segments())[12]
    new = replace(
        current,
        epoch=current.epoch + 1,
        session_id="s-1",
        address="10.0.0.7:7421",
        floor_us=world.clock.now_us(),
    )
    assert await world.store.leases.take_segment(current, new)
    assert (await world.store.leases.segments())[12] == new


@case
async def take_needs_the_lease_as_it_is(world: World) -> None:
    old = (await world.store.leases.segments())[12]
    owner = await world.own(12)
    late = replace(old, epoch=old.epoch + 1, session_id="s-late", address="late:1")
    assert not await world.store.leases.take_segment(old, late)
    wrong = replace(owner.lease, session_id="s-wrong")
    assert not await world.store.leases.take_segment(
        wrong, replace(wrong, epoch=wrong.epoch + 1, session_id="s-late")
    )
    assert (await world.store.leases.segments())[12] == owner.lease


@case
async def owner_takes_its_own_again_under_its_epoch(world: World) -> None:
    owner = await world.own(12)
    again = replace(owner.lease, floor_us=owner.lease.floor_us + 1)
    assert await world.store.leases.take_segment(owner.lease, again)
    assert (await world.store.leases.segments())[12] == again
    # Who had read the lease before, and took its owner for dead since, comes too late.
    late = replace(owner.lease, epoch=owner.lease.epoch + 1, session_id="s-late", address="late:1")
    assert not await world.store.leases.take_segment(owner.lease, late)
    assert (await world.store.leases.segments())[12] == again
    assert await world.store.leases.take_segment(again, late)
    assert not await world.store.leases.take_segment(again, replace(again, floor_us=1 << 60))
    assert (await world.store.leases.segments())[12] == late


@case
async def owner_that_has_taken_its_own_again_releases_it(world: World) -> None:
    owner = await world.own(12)
    again = replace(owner.lease, floor_us=owner.lease.floor_us + 1)
    assert await world.store.leases.take_segment(owner.lease, again)
    newest = replace(again, floor_us=again.floor_us + 1)
    assert await world.store.leases.release_segment(newest)
    released = (await world.store.leases.segments())[12]
    assert released == replace(newest, session_id="", address="")


@case
async def one_of_many_takers_wins(world: World) -> None:
    for _ in range(3):
        current = (await world.store.leases.segments())[12]
        offers = [
            replace(
                current,
                epoch=current.epoch + 1,
                session_id=f"s-{number}",
                address=f"10.0.0.{number}:1",
                floor_us=world.clock.now_us(),
            )
            for number in range(8)
        ]
        taken = await asyncio.gather(
            *(world.store.leases.take_segment(current, offer) for offer in offers)
        )
        assert sum(taken) == 1
        assert (await world.store.leases.segments())[12] == offers[taken.index(True)]


@case
async def released_segment_keeps_its_epoch(world: World) -> None:
    owner = await world.own(12)
    assert await world.store.leases.release_segment(owner.lease)
    released = (await world.store.leases.segments())[12]
    assert released == replace(owner.lease, session_id="", address="")
    assert not await world.store.leases.release_segment(owner.lease)
    successor = await world.own(12)
    assert successor.lease.epoch == owner.lease.epoch + 1
    assert not await world.store.leases.release_segment(owner.lease)
    assert (await world.store.leases.segments())[12] == successor.lease
