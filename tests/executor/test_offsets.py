"""How far a partition is finished: nothing unfinished is ever passed over."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tickwheel.client.executor.offsets import (
    WINDOW,
    Committed,
    PartitionOffsets,
    finished_offsets,
)


def test_in_order() -> None:
    offsets = PartitionOffsets(10)
    assert offsets.begin(10)
    assert offsets.begin(11)
    assert offsets.committed() == (10, "")
    offsets.finish(10)
    assert offsets.committed() == (11, "")
    offsets.finish(11)
    assert offsets.committed() == (12, "")
    assert not offsets.begin(11)


def test_out_of_order_is_kept_beside_the_offset() -> None:
    offsets = PartitionOffsets(0)
    for offset in range(20):
        offsets.begin(offset)
    for offset in (1, 3, 9, 19):
        offsets.finish(offset)
    committed = offsets.committed()
    assert committed.offset == 0
    assert finished_offsets(committed) == [1, 3, 9, 19]


def test_offsets_that_do_not_exist_hold_nothing_up() -> None:
    offsets = PartitionOffsets(5)
    assert offsets.begin(1_000_000)
    assert offsets.committed() == (1_000_000, "")
    offsets.begin(5_000_000)
    offsets.finish(5_000_000)
    # Too far to be said beside it.
    assert offsets.committed() == (1_000_000, "")
    offsets.finish(1_000_000)
    assert offsets.committed() == (5_000_001, "")


def test_a_full_window_can_be_said() -> None:
    offsets = PartitionOffsets(0)
    for offset in range(WINDOW + 1_000):
        offsets.begin(offset)
        if offset % 2:
            offsets.finish(offset)
    committed = offsets.committed()
    assert len(committed.text) <= 4_000
    assert len(finished_offsets(committed)) == (WINDOW + 1_000) // 2


@pytest.mark.parametrize(
    "text", ["", "of another program", "tickwheel1:?", "tickwheel1:ä", "tickwheel2:AAAA"]
)
def test_what_others_have_committed_says_nothing(text: str) -> None:
    assert finished_offsets(Committed(7, text)) == []


def test_work_that_was_under_way_before_does_not_let_pass_what_comes_before_it() -> None:
    offsets = PartitionOffsets(10, in_work=[15, 16])
    assert offsets.begin(10)
    offsets.finish(10)
    assert offsets.committed() == (11, "")
    offsets.finish(15)
    assert offsets.committed().offset == 11
    assert finished_offsets(offsets.committed()) == [15]


def test_what_is_known_of_the_first_records_is_kept_until_they_are_read() -> None:
    """The group is shared out twice in a row."""
    stored = PartitionOffsets(0)
    for offset in range(3):
        stored.begin(offset)
    stored.finish(1)
    once = stored.committed()
    for _ in range(2):
        again = PartitionOffsets(once.offset, finished_offsets(once))
        assert again.committed() == once


class Partition(RuleBasedStateMachine):
    """A partition read by one consumer after another, each going on where the last has committed.

    The model is the truth: which records exist, and which are finished.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[int] = []
        self.end = 0
        self.finished: set[int] = set()
        self.in_work: set[int] = set()
        self.stored = Committed(0, "")
        self.offsets = PartitionOffsets(0)
        self.position = 0
        self.twice: set[int] = set()

    @rule(gap=st.integers(0, 3), count=st.integers(1, 5))
    def append(self, gap: int, count: int) -> None:
        self.end += gap
        self.records += range(self.end, self.end + count)
        self.end += count

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        for offset in [one for one in self.records if one >= self.position][:count]:
            self.position = offset + 1
            is_new = self.offsets.begin(offset)
            # Neither skipped nor worked on twice.
            assert is_new == (offset not in self.finished and offset not in self.in_work)
            self.in_work.add(offset) if is_new else None

    @precondition(lambda self: self.in_work)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.in_work)))
        self.in_work.discard(offset)
        self.finished.add(offset)
        self.offsets.finish(offset)

    @rule()
    def commit(self) -> None:
        self.stored = self.offsets.committed()

    @rule(data=st.data())
    def share_out_anew(self, data: st.DataObject) -> None:
        """The same consumer keeps the partition; what only waited for its turn comes again."""
        self.stored = self.offsets.committed()
        if self.in_work:
            self.in_work -= data.draw(st.sets(st.sampled_from(sorted(self.in_work))))
        self._go_on()

    @rule()
    def crash(self) -> None:
        """Another one goes on; what was finished and not committed is done again."""
        self.in_work.clear()
        self._go_on()

    def _go_on(self) -> None:
        said = {*finished_offsets(self.stored)}
        # What ended before it was known where the partition begins is not stored, and comes again:
        # whoever has executed it knows it by its `ce_id`.
        self.finished = {
            offset for offset in self.finished if offset < self.stored.offset or offset in said
        }
        self.offsets = PartitionOffsets(self.stored.offset, said, self.in_work)
        self.position = self.stored.offset

    @invariant()
    def nothing_unfinished_is_passed_over(self) -> None:
        committed = self.offsets.committed()
        below = {one for one in self.records if one < committed.offset}
        assert below <= self.finished
        assert set(finished_offsets(committed)) <= self.finished
        assert committed.offset >= self.stored.offset

    @invariant()
    def nothing_finished_is_kept_back(self) -> None:
        taken = [one for one in self.records if one < self.position]
        open_ones = [one for one in taken if one not in self.finished]
        if not open_ones and taken:
            assert self.offsets.low >= taken[-1] + 1


TestPartition = Partition.TestCase
TestPartition.settings = settings(max_examples=200, stateful_step_count=40)


def test_what_ends_before_the_beginning_is_known_is_not_stored() -> None:
    offsets = PartitionOffsets(0, (), [5_000])
    offsets.finish(5_000)
    assert offsets.committed() == (0, "")
    # What Kafka has as the group's offset, or the log's beginning.
    assert offsets.begin(4_999)
    assert not offsets.begin(5_000)
    committed = offsets.committed()
    assert (committed.offset, finished_offsets(committed)) == (4_999, [5_000])
