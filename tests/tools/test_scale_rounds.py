"""Rounds with more schedulers are held against those with one."""

from dataclasses import replace

from scale.rounds import Round, rows

ONE = Round(
    load="steady",
    schedulers=1,
    runs=1_000,
    missing=0,
    twice=0,
    early=0,
    p50_ms=2,
    p99_ms=20,
    cpu_s=1.0,
    worker_cpu_s=0.2,
    store_cpu_s=0.5,
    seconds=20,
    throttled=0.1,
    statements=300,
    load_average=2,
    at=0,
)


def test_medians_of_each_number_and_their_ratio_to_one() -> None:
    four = replace(ONE, schedulers=4, runs=4_000)
    found = rows(
        [
            *(replace(ONE, cpu_s=each) for each in (1.0, 0.5, 2.0)),
            *(replace(four, cpu_s=each) for each in (5.0, 4.0, 40.0)),
        ]
    )
    assert [(row.schedulers, row.rounds, row.runs_per_cpu_s) for row in found] == [
        (1, 3, 1_000.0),
        (4, 3, 800.0),
    ]
    assert [row.ratio for row in found] == [1.0, 0.8]
    assert [row.holds for row in found] == [True, False]
    assert found[0].quota_used == 0.5
    assert found[0].statements_per_run == 0.3


def test_what_was_lost_or_early_does_not_hold() -> None:
    assert not rows([replace(ONE, missing=1)])[0].holds
    assert not rows([replace(ONE, early=1)])[0].holds


def test_without_a_round_of_one_there_is_nothing_to_compare_with() -> None:
    assert rows([replace(ONE, schedulers=2)])[0].ratio is None
