"""What a group has been handed and has acknowledged: the pure part."""

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tickwheel.server.records.acked import Acked
from tickwheel.server.records.group import MAX_OUTSTANDING, Group, Position
from tickwheel.server.records.record import PartitionState


def bounds(*ends: int, start: int = 0) -> Mapping[int, PartitionState]:
    return {n: PartitionState("t", n + 1, n, start, end) for n, end in enumerate(ends)}


def group(partitions: int = 1) -> Group:
    return Group({number: Acked() for number in range(partitions)})


@given(
    st.integers(0, 20),
    st.lists(st.one_of(st.integers(0, 60), st.tuples(st.integers(0, 60))), max_size=80),
)
def test_acked_is_a_set(low: int, steps: list[int | tuple[int]]) -> None:
    acked, model = Acked(low), set(range(low))
    for step in steps:
        if isinstance(step, tuple):
            acked.advance(step[0])
            model |= set(range(step[0]))
        else:
            assert acked.add(step) == (step not in model)
            model.add(step)
        # The least that is not in it.
        assert acked.low == min(set(range(100)) - model)
    read = Acked.from_bytes(acked.low, acked.to_bytes())
    for one in (acked, read):
        assert {offset for offset in range(100) if offset in one} == model
        for first, end in ((0, 100), (7, 33), (61, 61)):
            gaps = {o for start, stop in one.gaps(first, end) for o in range(start, stop)}
            assert gaps == set(range(first, end)) - model


def test_acked_is_compact() -> None:
    acked = Acked()
    for offset in range(1, 100_000):
        acked.add(offset)

    assert (acked.low, len(acked.to_bytes())) == (0, 8)


def test_a_group_takes_nothing_new_while_too_much_is_unacknowledged() -> None:
    one, all_there = group(), bounds(MAX_OUTSTANDING + 500)
    member = one.enter("m", 1000, 0)
    taken = one.take(member, all_there, MAX_OUTSTANDING + 500, 0)
    assert len(taken) == MAX_OUTSTANDING
    assert one.take(member, all_there, 10, 0) == []

    one.ack(taken[:3], all_there)

    assert len(one.take(member, all_there, 10, 0)) == 3


def test_partitions_take_turns() -> None:
    one = group(3)
    member = one.enter("m", 1000, 0)
    first = [one.take(member, bounds(9, 9, 9), 2, 0)[0].number for _ in range(3)]

    assert sorted(first) == [0, 1, 2]


@pytest.mark.parametrize("offset", [5, 1_000_000])
def test_what_does_not_exist_cannot_be_acknowledged_in_advance(offset: int) -> None:
    one = group()
    one.ack([Position(0, offset), Position(9, 0)], bounds(5))

    assert one.partitions[0].version == 0
    assert offset not in one.partitions[0].acked


def test_records_that_are_no_longer_kept_are_forgotten() -> None:
    one = group()
    member = one.enter("m", 1000, 0)
    one.take(member, bounds(10), 5, 0)
    one.leave(member, 0)

    other = one.enter("n", 1000, 5000)
    taken = one.take(other, bounds(10, start=4), 100, 5000)

    assert [position.offset for position in taken] == [4, 5, 6, 7, 8, 9]


class Deliveries(RuleBasedStateMachine):
    """Any order of pulls, acknowledgements, silence and returns, against a plain model."""

    def __init__(self) -> None:
        super().__init__()
        self.group = group(2)
        self.ends = [0, 0]
        self.now_ms = 0
        self.held: dict[str, set[Position]] = {}
        self.last_ms: dict[str, int] = {}
        self.acked: set[Position] = set()

    @rule(number=st.integers(0, 1), count=st.integers(1, 5))
    def append(self, number: int, count: int) -> None:
        self.ends[number] += count

    @rule(name=st.sampled_from("abc"), limit=st.integers(0, 6), returned=st.integers(0, 2))
    def pull(self, name: str, limit: int, returned: int) -> None:
        for other, last_ms in self.last_ms.items():
            if self.now_ms >= last_ms + 100:
                self.held[other] = set()
        held = set[Position]().union(*self.held.values())
        member = self.group.enter(name, 100, self.now_ms)
        taken = self.group.take(member, bounds(*self.ends), limit, self.now_ms)
        assert len(set(taken)) == len(taken)
        assert not set(taken) & held, "handed to two at a time"
        assert not set(taken) & self.acked, "handed out though acknowledged"
        free = set(self._existing()) - held - self.acked
        assert len(taken) == min(limit, len(free)), "kept back"
        self.group.release(taken[:returned])
        self.group.leave(member, self.now_ms)
        self.held.setdefault(name, set()).update(taken[returned:])
        self.last_ms[name] = self.now_ms

    @rule(pick=st.randoms(use_true_random=False), count=st.integers(1, 5))
    def ack(self, pick: Random, count: int) -> None:
        existing = self._existing()
        chosen = [pick.choice(existing) for _ in range(count)] if existing else []
        self.group.ack(chosen, bounds(*self.ends))
        self.acked.update(chosen)
        for held in self.held.values():
            held.difference_update(chosen)

    @rule(ms=st.integers(1, 120))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @invariant()
    def members_are_forgotten(self) -> None:
        if not any(self.held.values()):
            assert not self.group.is_used

    def _existing(self) -> list[Position]:
        return [Position(n, o) for n, end in enumerate(self.ends) for o in range(end)]


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=60)
