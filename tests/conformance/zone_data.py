"""By which time-zone data the entries of a segment are derived."""

from conformance.suite import case
from conformance.world import World


@case
async def never_saved_is_empty(world: World) -> None:
    """No case saves any of the last two segments."""
    last = world.segments - 1
    assert await world.store.schedule.zone_data([last, last - 1]) == {last: "", last - 1: ""}
    assert await world.store.schedule.zone_data([]) == {}


@case
async def saved_is_read(world: World) -> None:
    for segment in (6, 7):
        owner = await world.own(segment)
        await world.store.schedule.save_zone_data(owner.stamp(), f"data-{segment}")
    assert await world.store.schedule.zone_data([7, 6]) == {6: "data-6", 7: "data-7"}


@case
async def what_was_saved_last_counts(world: World) -> None:
    """Also where older data come back, and under the next owner."""
    owner = await world.own(6)
    for digest in ("2026b", "2026a", "2026a"):
        await world.store.schedule.save_zone_data(owner.stamp(), digest)
        assert await world.store.schedule.zone_data([6]) == {6: digest}
    successor = await world.own(6)
    assert await world.store.schedule.zone_data([6]) == {6: "2026a"}
    await world.store.schedule.save_zone_data(successor.stamp(), "2026c")
    assert await world.store.schedule.zone_data([6]) == {6: "2026c"}


@case
async def position_and_zone_data_are_apart(world: World) -> None:
    base_ms = world.now_ms()
    owner = await world.own(6)
    await world.store.schedule.save_position(owner.stamp(), base_ms)
    await world.store.schedule.save_zone_data(owner.stamp(), "2026a")
    assert await world.store.schedule.positions([6]) == {6: base_ms}
    await world.store.schedule.save_position(owner.stamp(), base_ms + 1)
    assert await world.store.schedule.zone_data([6]) == {6: "2026a"}
