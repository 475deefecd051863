from tickwheel.server.bench.comparison import Value, side_by_side
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.session import broken


def result(workload: str, title: str, engine: str, figures: dict[str, Figure]) -> Result:
    return Result(workload=workload, title=title, engine=engine, figures=figures)


def peer(workload: str, title: str, figures: dict[str, Figure], alike: str = "") -> Result:
    return Result(
        workload=workload, title=title, engine="River", peer=True, alike=alike, figures=figures
    )


def test_what_is_alike_stands_side_by_side_in_the_order_of_measuring() -> None:
    ours = Result(
        workload="W1",
        title="gRPC, one by one",
        alike="one by one",
        engine="embedded",
        figures={"jobs/s": 2_000},
    )
    rows = side_by_side(
        [
            ours,
            result("W2", "5 at once", "embedded", {"drained s": 0.5, "runs": 5}),
            peer("W1", "one by one", {"jobs/s": 900}, alike="one by one"),
            peer("W2", "5 at once", {"drained s": None}),
        ]
    )
    assert [(row.workload, row.title, row.figure) for row in rows] == [
        ("W1", "one by one", "jobs/s"),
        ("W2", "5 at once", "drained s"),
    ]
    assert rows[0].values == (
        Value("embedded", False, 2_000),
        Value("peer: River", True, 900),
    )
    assert rows[1].values[1].figure is None


def test_what_is_run_in_handlers_is_about_their_starts() -> None:
    (row,) = side_by_side(
        [
            result("W2", "5, in handlers", engine, {"drained s": 0.5, "handlers started s": took_s})
            for engine, took_s in (("embedded", 0.8), ("real", 0.9))
        ]
    )
    assert row.figure == "handlers started s"
    assert [value.figure for value in row.values] == [0.8, 0.9]


def test_what_one_engine_alone_was_measured_by_is_left_out() -> None:
    assert not side_by_side(
        [
            result("W2", "5 at once", "embedded", {"drained s": 1}),
            peer("W2", "6 at once", {"drained s": 1}),
            # One that was left out has no figures.
            peer("W2", "5 at once", {}),
            result("W4", "10 schedules", "embedded", {"runs": 1}),
            peer("W4", "10 schedules", {"runs": 1}),
        ]
    )


def test_a_peer_may_lose_jobs_and_we_may_not() -> None:
    assert broken([result("W2", "5 at once", "embedded", {"missing": 1})])
    assert broken([result("W2", "5, in handlers", "embedded", {"handlers missing": 1})])
    assert broken([result("W2", "5, in handlers", "embedded", {"handlers early": 1})])
    assert not broken([result("W2", "5, in handlers", "embedded", {"handlers twice": 1})])
    assert not broken([peer("W2", "5 at once", {"missing": 1})])
    assert broken([Result(workload="W2", title="", engine="River", peer=True, failed=True)])
