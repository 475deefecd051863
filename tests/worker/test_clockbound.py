"""Bounds of a scheduler's clock hold whatever the delays."""

from hypothesis import given
from hypothesis import strategies as st

from tickwheel.worker.clockbound import ClockBound

OFFSET_MS = 1_800_000_000_000


@given(
    offset_ms=st.floats(-10_000, 10_000),
    exchanges=st.lists(
        st.tuples(st.floats(0, 2_000), st.floats(0, 300), st.floats(0, 300)), min_size=1
    ),
    after_ms=st.floats(0, 10_000),
)
def test_never_ahead_of_the_schedulers_clock(
    offset_ms: float, exchanges: list[tuple[float, float, float]], after_ms: float
) -> None:
    bound = ClockBound()
    steady = 5_000.0
    for pause, there, back in exchanges:
        steady += pause
        asked = steady
        wall = OFFSET_MS + offset_ms + steady + there
        steady += there + back
        bound.observe(int(wall), int(asked), int(steady))
    steady += after_ms
    lower = bound.lower_ms(int(steady))
    assert lower is not None
    assert lower <= OFFSET_MS + offset_ms + steady


def test_one_slow_answer_makes_nothing_late() -> None:
    bound = ClockBound()
    bound.observe(OFFSET_MS + 1_000, 999, 1_001)
    bound.observe(OFFSET_MS + 1_500, 1_500, 1_900)
    lower = bound.lower_ms(2_000)
    assert lower is not None
    assert OFFSET_MS + 1_996 <= lower <= OFFSET_MS + 2_000


def test_a_clock_set_back_is_believed_at_once() -> None:
    bound = ClockBound()
    bound.observe(OFFSET_MS + 1_000, 1_000, 1_000)
    bound.observe(OFFSET_MS - 58_500, 1_500, 1_500)
    lower = bound.lower_ms(1_500)
    assert lower is not None
    assert lower <= OFFSET_MS - 58_500


def test_apart_only_when_certain() -> None:
    bound = ClockBound()
    assert bound.apart_ms(OFFSET_MS, 0) == 0
    bound.observe(OFFSET_MS, 0, 400)
    assert bound.apart_ms(OFFSET_MS + 399, 400) == 0
    assert 1_500 <= bound.apart_ms(OFFSET_MS + 2_000, 400) <= 1_700
    assert -2_002 <= bound.apart_ms(OFFSET_MS - 2_000, 400) <= -1_990
