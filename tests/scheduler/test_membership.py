"""Who owns which segment, and which worker serves it."""

from hypothesis import given
from hypothesis import strategies as st

from tickwheel.server.domain.lease import SchedulerSession, SegmentLease
from tickwheel.server.scheduler.membership import Regroup, SessionWatch, plan_moves
from tickwheel.server.scheduler.placement import place_segments


def _session(name: str, beat: int = 1) -> SchedulerSession:
    return SchedulerSession(session_id=name, address="a:1", beat=beat, lease_until_ms=0)


def _run_to_rest(owners: list[str], living: list[str]) -> tuple[list[str], int]:
    """Lets all living schedulers act in turn until none wants to; returns owners and moves."""
    moves = 0
    for _ in range(100):
        changed = False
        for name in living:
            leases = [
                SegmentLease(segment=n, epoch=1, session_id=owner) for n, owner in enumerate(owners)
            ]
            owned = [n for n, owner in enumerate(owners) if owner == name]
            plan = plan_moves(name, owned, leases, living)
            for segment in plan.give:
                owners[segment], changed = "", True
            for lease in plan.take:
                owners[lease.segment], changed = name, True
                moves += 1
        if not changed:
            return owners, moves
    raise AssertionError("the schedulers never come to rest")


@given(
    st.integers(1, 128),
    st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
    st.data(),
)
def test_segments_come_to_rest_evenly_and_all_are_owned(
    count: int, living: list[str], data: st.DataObject
) -> None:
    owners = data.draw(st.lists(st.sampled_from(["", *"abcdefgh"]), min_size=count, max_size=count))
    rest, _ = _run_to_rest(owners, living)
    loads = [rest.count(name) for name in living]
    assert sum(loads) == count
    assert max(loads) - min(loads) <= 1


def test_few_segments_move_when_a_scheduler_joins() -> None:
    owners, _ = _run_to_rest([""] * 64, ["a", "b"])
    _, moves = _run_to_rest(owners, ["a", "b", "c"])
    assert moves == 21


def test_segments_of_a_living_session_are_never_taken() -> None:
    leases = [SegmentLease(segment=n, epoch=1, session_id="a") for n in range(64)]
    assert not plan_moves("b", [], leases, ["a", "b"]).take


def test_what_bears_our_name_but_is_not_held_is_taken_anew() -> None:
    leases = [SegmentLease(segment=n, epoch=1, session_id="a") for n in range(4)]
    assert len(plan_moves("a", [0, 1], leases, ["a"]).take) == 2


def test_what_bears_our_name_is_taken_though_our_share_is_full() -> None:
    # Nobody else may take it while we live: it would have no owner for ever.
    owners = ["a", "a", "a", "b", "b"]
    leases = [SegmentLease(segment=n, epoch=1, session_id=name) for n, name in enumerate(owners)]
    moves = plan_moves("b", [4], [*leases, SegmentLease(segment=5, epoch=1)], ["a", "b"])
    assert 3 in {lease.segment for lease in moves.take}
    full = plan_moves("a", [0, 1], leases, ["a", "b"])
    assert [lease.segment for lease in full.take] == [2]


def test_a_session_is_dead_after_a_lease_without_a_beat_on_our_own_clock() -> None:
    watch = SessionWatch(lease_ms=10_000)
    watch.observe([_session("a")], 0)
    assert not watch.is_dead("a", 9_999)
    assert watch.is_dead("a", 10_000)
    watch.observe([_session("a", beat=2)], 10_000)
    assert not watch.is_dead("a", 19_999)


def test_a_session_that_is_gone_from_the_store_is_dead() -> None:
    watch = SessionWatch(lease_ms=10_000)
    watch.observe([], 0)
    assert watch.is_dead("a", 0)


def test_a_session_is_not_dead_by_a_reading_that_was_slept_upon() -> None:
    watch = SessionWatch(lease_ms=10_000)
    watch.observe([_session("a")], 0)
    begun_ms, slept_ms = 5_000, 20_000
    watch.observe([_session("a")], begun_ms + slept_ms)
    assert not watch.is_dead("a", begun_ms)


def test_nobody_is_waited_for_where_no_other_can_live() -> None:
    watch = SessionWatch(lease_ms=0)
    watch.observe([_session("a")], 7)
    assert watch.is_dead("a", 3)


def test_who_is_expected_back_is_left_its_share() -> None:
    leases = [SegmentLease(segment=n, epoch=1) for n in range(9)]
    assert len(plan_moves("a", [], leases, ["a"], awaited={"b:1", "c:1"}).take) == 3
    assert len(plan_moves("a", [], leases, ["a", "b"], awaited={"c:1"}).take) == 3
    assert len(plan_moves("a", [], leases, ["a"]).take) == 9


def test_what_is_of_who_is_expected_back_is_left_to_it() -> None:
    # Our share is 22 while we are alone: one more than what we have.
    owners = ["a"] * 21 + ["b"] * 22 + ["c"] * 20
    leases = [
        SegmentLease(segment=n, epoch=1, session_id=name, address=f"{name}:1")
        for n, name in enumerate(owners)
    ]
    free = SegmentLease(segment=63, epoch=1)
    for others in ([], [free]):
        moves = plan_moves("a", range(21), [*leases, *others], ["a"], awaited={"b:1", "c:1"})
        assert list(moves.take) == others


def test_who_lived_before_our_session_was_lost_is_awaited_for_a_while() -> None:
    regroup = Regroup(regroup_ms=2_500)
    assert regroup.awaited({"a:1", "b:1", "c:1"}, 0) == set()
    assert regroup.awaited({"a:1", "b:1"}, 1_000) == set(), "c has left, nothing was lost"
    regroup.lost()
    assert regroup.awaited({"a:1"}, 60_000) == {"b:1"}
    assert regroup.awaited({"a:1", "b:1"}, 61_000) == set()
    assert regroup.awaited({"a:1"}, 62_499) == {"b:1"}
    assert regroup.awaited({"a:1"}, 62_500) == set(), "b does not come back"


@given(
    st.sets(st.integers(0, 255)),
    st.sets(st.sampled_from("abcdef")),
    st.dictionaries(st.integers(0, 255), st.sampled_from("abcdefgh")),
)
def test_workers_share_segments_evenly_and_keep_what_they_can(
    segments: set[int], workers: set[str], current: dict[int, str]
) -> None:
    placed = place_segments(segments, workers, current)
    if not workers:
        assert placed == {}
        return
    assert placed.keys() == segments
    loads = [list(placed.values()).count(worker) for worker in workers]
    assert max(loads) - min(loads) <= 1
    again = place_segments(segments, workers, placed)
    assert again == placed
