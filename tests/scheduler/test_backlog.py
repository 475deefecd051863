"""Rows wait for their turn, users alternately."""

from dataclasses import dataclass

from tickwheel.server.scheduler.backlog import Backlog


@dataclass(frozen=True)
class Row:
    user: str
    number: int


def test_each_slice_has_something_of_everyone() -> None:
    backlog = Backlog(Row("storm", number) for number in range(1_000))
    backlog.take(100)
    backlog.extend([Row("calm", 1)])
    assert Row("calm", 1) in backlog.take(2)
    assert [row.number for row in backlog.take(2_000)] == list(range(101, 1_000))
    assert not backlog


def test_turns_go_on_from_slice_to_slice_in_each_users_order() -> None:
    backlog = Backlog(Row(user, number) for number in range(3) for user in "abc")
    taken = [row for _ in range(9) for row in backlog.take(1)]
    assert taken == [Row(user, number) for number in range(3) for user in "abc"]


def test_what_was_put_back_comes_first() -> None:
    backlog = Backlog(Row("a", number) for number in range(4))
    taken = backlog.take(2)
    backlog.put_back(taken)
    assert backlog.take(4) == [Row("a", number) for number in range(4)]
