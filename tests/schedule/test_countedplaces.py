"""The order in which an odd interval comes by the wanted places, against going step by step."""

from hypothesis import given
from hypothesis import strategies as st

from tickwheel.server.schedule.clockface import TimesOfDay
from tickwheel.server.schedule.countedplaces import CountedPlaces

_DAY_MIN = 1440


@given(
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=4),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    weekdays=st.sets(st.integers(0, 6), max_size=3),
    step=st.integers(2, 3_000) | st.sampled_from([60, 1440, 2880, 10_080, 20_160]),
    unit=st.integers(0, 50_000_000),
)
def test_first_step_that_meets_a_wanted_place(
    hours: set[int], minutes: set[int], weekdays: set[int], step: int, unit: int
) -> None:
    places = CountedPlaces(TimesOfDay(hours, minutes, (0,)), 60, step, weekdays)

    def wanted(at: int) -> bool:
        day, place = divmod(at, _DAY_MIN)
        # 1970-01-01 was a Thursday, 4.
        is_day = not weekdays or (day + 4) % 7 in weekdays
        return is_day and place // 60 in hours and place % 60 in minutes

    # After a week of minutes, in steps, everything comes again.
    expected = next((k for k in range(7 * _DAY_MIN) if wanted(unit + k * step)), None)
    assert places.steps_to(unit) == expected
