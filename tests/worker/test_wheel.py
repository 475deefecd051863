"""The wheel against a sorted list."""

import time
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tickwheel.worker.publisher.port import RunId
from tickwheel.worker.wheel import Wheel

YEAR_MS = 365 * 86_400_000
BASE_MS = 1_800_000_000_000
instants = st.one_of(
    st.integers(BASE_MS - 5, BASE_MS + 5),
    st.integers(BASE_MS - 2 * YEAR_MS, BASE_MS + 20 * YEAR_MS),
)


@dataclass(frozen=True)
class Item:
    run: RunId
    segment: int
    epoch: int
    priority: int
    user: str = "7"


class WheelMachine(RuleBasedStateMachine):
    """Whatever is done, the wheel agrees with a list sorted by priority and instant."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel = Wheel[Item]()
        # (instant, -priority, arrival, item)
        self.model: list[tuple[int, int, int, Item]] = []
        self.arrivals = 0

    @rule(
        at_ms=instants,
        job=st.integers(0, 3),
        segment=st.integers(0, 2),
        epoch=st.integers(1, 3),
        priority=st.integers(0, 9),
    )
    def add(self, at_ms: int, job: int, segment: int, epoch: int, priority: int) -> None:
        self.arrivals += 1
        item = Item(RunId(f"job-{job}", str(self.arrivals), 1), segment, epoch, priority)
        self.wheel.add(item, at_ms)
        self.model.append((at_ms, -priority, self.arrivals, item))

    @rule(until_ms=instants, limit=st.integers(1, 4))
    def pop(self, until_ms: int, limit: int) -> None:
        due = [entry for entry in self.model if entry[0] <= until_ms]
        expected = sorted(due, key=lambda entry: (entry[1], entry[0], entry[2]))[:limit]
        assert self.wheel.pop_due(until_ms, limit) == [entry[3] for entry in expected]
        self._forget([entry[3] for entry in expected])

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from([entry[3] for entry in self.model]))
        assert self.wheel.remove(item.run) is item
        assert self.wheel.remove(item.run) is None
        self._forget([item])

    @rule(jobs=st.sets(st.integers(0, 4)))
    def remove_jobs(self, jobs: set[int]) -> None:
        names = {f"job-{job}" for job in jobs}
        expected = [entry[3] for entry in self.model if entry[3].run.job_uid in names]
        self._check_removed(self.wheel.remove_jobs(names), expected)

    @rule(epochs=st.dictionaries(st.integers(0, 2), st.integers(1, 4)))
    def remove_below(self, epochs: dict[int, int]) -> None:
        expected = [e[3] for e in self.model if e[3].epoch < epochs.get(e[3].segment, 0)]
        self._check_removed(self.wheel.remove_below(epochs), expected)

    @rule()
    def clear(self) -> None:
        self._check_removed(self.wheel.clear(), [entry[3] for entry in self.model])

    @invariant()
    def agrees(self) -> None:
        assert len(self.wheel) == len(self.model)
        assert self.wheel.next_ms() == min((entry[0] for entry in self.model), default=None)
        assert {item.run for item in self.wheel} == {entry[3].run for entry in self.model}

    def _check_removed(self, removed: list[Item], expected: list[Item]) -> None:
        assert sorted(removed, key=lambda i: i.run) == sorted(expected, key=lambda i: i.run)
        self._forget(expected)

    def _forget(self, gone: list[Item]) -> None:
        runs = {item.run for item in gone}
        self.model = [entry for entry in self.model if entry[3].run not in runs]


WheelMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestWheel = WheelMachine.TestCase


def test_the_same_run_is_not_held_twice() -> None:
    wheel = Wheel[Item]()
    item = Item(RunId("job", "run", 1), 0, 1, 5)
    wheel.add(item, BASE_MS)
    with pytest.raises(ValueError, match="already held"):
        wheel.add(item, BASE_MS + 1)


def test_removals_far_ahead_leave_nothing_behind() -> None:
    wheel = Wheel[Item]()
    for number in range(20_000):
        item = Item(RunId("job", str(number), 1), 0, 1, 5)
        wheel.add(item, BASE_MS + number * 1_000)
        wheel.remove(item.run)
    assert len(wheel._heads) < 200  # pyright: ignore[reportPrivateUsage]
    assert not wheel._lanes  # pyright: ignore[reportPrivateUsage]


def test_a_burst_taken_in_parts_costs_no_more_than_its_size() -> None:
    wheel = Wheel[Item]()
    for number in range(20_000):
        wheel.add(Item(RunId("job", str(number), 1), number % 64, 1, number % 10), BASE_MS)
    begun = time.process_time()
    taken: list[Item] = []
    while items := wheel.pop_due(BASE_MS, 500):
        taken.extend(items)
    # 0.05 s where this was written; anything that looks at the whole slot for each part takes 1 s.
    assert time.process_time() - begun < 0.5
    assert [item.priority for item in taken] == sorted((i.priority for i in taken), reverse=True)
    assert len(taken) == 20_000


def test_users_take_turns_so_that_the_storm_of_one_does_not_hold_up_another() -> None:
    wheel = Wheel[Item]()
    for number in range(10_000):
        wheel.add(Item(RunId("storm", str(number), 1), 0, 1, 5, "a"), BASE_MS)
    wheel.add(Item(RunId("calm", "1", 1), 0, 1, 5, "b"), BASE_MS + 40)
    wheel.pop_due(BASE_MS, 500)
    assert "calm" in {item.run.job_uid for item in wheel.pop_due(BASE_MS + 40, 500)}


def test_a_storm_of_high_priority_does_not_hold_up_another_user_either() -> None:
    wheel = Wheel[Item]()
    for number in range(10_000):
        wheel.add(Item(RunId("storm", str(number), 1), 0, 1, 9, "a"), BASE_MS)
    wheel.add(Item(RunId("calm", "1", 1), 0, 1, 0, "b"), BASE_MS)
    assert "calm" in {item.run.job_uid for item in wheel.pop_due(BASE_MS, 500)}


def test_of_more_users_than_are_taken_at_once_the_highest_priorities_go_first() -> None:
    wheel = Wheel[Item]()
    for user in range(50):
        wheel.add(Item(RunId(f"job-{user}", "1", 1), 0, 1, user % 10, str(user)), BASE_MS)
    assert {item.priority for item in wheel.pop_due(BASE_MS, 10)} == {9, 8}


def test_a_higher_priority_overtakes_what_is_due_already() -> None:
    wheel = Wheel[Item]()
    for number in range(100):
        wheel.add(Item(RunId("low", str(number), 1), 0, 1, 1), BASE_MS)
    wheel.add(Item(RunId("high", "1", 1), 0, 1, 9), BASE_MS + 1)
    assert [item.run.job_uid for item in wheel.pop_due(BASE_MS + 1, 2)] == ["high", "low"]


def test_more_users_than_are_taken_at_once_all_get_their_turn() -> None:
    wheel = Wheel[Item]()
    for user in range(50):
        for number in range(3):
            item = Item(RunId(f"job-{user}", str(number), 1), 0, 1, 5, str(user))
            wheel.add(item, BASE_MS + user)
    first = [wheel.pop_due(BASE_MS + 100, 10) for _ in range(15)]
    assert sum(map(len, first)) == 150
    assert not wheel.pop_due(BASE_MS + 100, 10)
