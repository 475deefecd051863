"""How far each segment is done."""

from conformance.suite import case
from conformance.world import World


@case
async def never_saved_is_zero(world: World) -> None:
    """No case saves a position of the last two segments."""
    last = world.segments - 1
    assert await world.store.schedule.positions([last, last - 1]) == {last: 0, last - 1: 0}
    assert await world.store.schedule.positions([]) == {}


@case
async def saved_is_read(world: World) -> None:
    base_ms = world.now_ms()
    for segment in (6, 7):
        owner = await world.own(segment)
        await world.store.schedule.save_position(owner.stamp(), base_ms + segment)
    read = await world.store.schedule.positions([7, 6])
    assert read == {6: base_ms + 6, 7: base_ms + 7}


@case
async def moves_on_and_never_back(world: World) -> None:
    base_ms = world.now_ms()
    owner = await world.own(6)
    for position_ms, expected_ms in ((base_ms, base_ms), (base_ms + 5, base_ms + 5)):
        await world.store.schedule.save_position(owner.stamp(), position_ms)
        assert await world.store.schedule.positions([6]) == {6: expected_ms}
    early = owner.stamp()
    await world.store.schedule.save_position(owner.stamp(), base_ms + 9)
    await world.store.schedule.save_position(early, base_ms + 8)
    assert await world.store.schedule.positions([6]) == {6: base_ms + 9}


@case
async def next_owner_reads_what_the_last_saved(world: World) -> None:
    base_ms = world.now_ms()
    owner = await world.own(6)
    await world.store.schedule.save_position(owner.stamp(), base_ms)
    successor = await world.own(6)
    assert await world.store.schedule.positions([6]) == {6: base_ms}
    await world.store.schedule.save_position(successor.stamp(), base_ms + 1)
    assert await world.store.schedule.positions([6]) == {6: base_ms + 1}
