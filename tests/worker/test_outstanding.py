"""How much of a burst waits inside the publisher."""

from tickwheel.worker.outstanding import MOST, STUCK_MS, Outstanding
from tickwheel.worker.publisher.port import Record
from worker.making import record


def records(topic: str, count: int) -> list[Record]:
    return [record(str(number), topic=topic) for number in range(count)]


def test_full_until_some_have_come_back() -> None:
    outstanding = Outstanding()
    outstanding.given(records("a", MOST // 2), 0)
    assert not outstanding.is_full(0)
    outstanding.given(records("b", MOST // 2), 0)
    assert outstanding.is_full(0)
    outstanding.reported(records("b", 1), 5)
    assert not outstanding.is_full(5)


def test_a_topic_at_a_standstill_holds_nobody_up() -> None:
    outstanding = Outstanding()
    outstanding.given(records("stuck", MOST), 0)
    outstanding.given(records("other", 10), 0)
    assert outstanding.is_full(STUCK_MS - 1)
    outstanding.reported(records("other", 1), STUCK_MS - 1)
    assert not outstanding.is_full(STUCK_MS)
    # It moves again.
    outstanding.reported(records("stuck", 1), STUCK_MS + 1)
    outstanding.given(records("stuck", 1), STUCK_MS + 1)
    assert outstanding.is_full(STUCK_MS + 2)
