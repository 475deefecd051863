import pytest

from tickwheel.server.bench.verdict import Occurrence, Seen, judge, occurrence

#: 2026-11-23T12:00:00Z
NOON_MS = 1_795_435_200_000


def seen(uid: str, append_ms: int, run: str = "20261123T120000000Z", attempt: int = 1) -> Seen:
    return Seen(f"{uid}/{run}/{attempt}", append_ms)


def test_a_record_names_its_occurrence_to_the_millisecond() -> None:
    assert occurrence("u/20261123T120000007Z/2") == Occurrence("u", NOON_MS + 7)


def test_a_run_by_hand_is_of_no_occurrence() -> None:
    with pytest.raises(ValueError, match="unconverted data"):
        occurrence("u/20261123T120000000Z-m-12345678/1")


def test_what_is_missing_doubled_early_and_foreign() -> None:
    expected = [Occurrence(uid, NOON_MS) for uid in ("a", "b", "c", "d")]
    verdict = judge(
        expected,
        [
            seen("a", NOON_MS + 30),
            seen("a", NOON_MS + 10),
            seen("b", NOON_MS - 1),
            seen("c", NOON_MS),
            seen("x", NOON_MS),
        ],
    )
    assert (verdict.expected, verdict.missing, verdict.twice, verdict.foreign) == (4, 1, 1, 1)
    assert verdict.lateness is not None
    # The first record of an occurrence counts, whichever comes first on the log.
    assert verdict.lateness.count == 3
    assert (verdict.lateness.early, verdict.lateness.max_ms) == (1, 10)
    assert (verdict.first_ms, verdict.last_ms) == (NOON_MS - 1, NOON_MS + 10)


def test_nothing_came() -> None:
    verdict = judge([Occurrence("a", NOON_MS)], [])
    assert (verdict.missing, verdict.lateness, verdict.last_ms) == (1, None, None)
