import pytest

from tickwheel.server.bench.run import choose
from tickwheel.server.bench.workloads import FULL, NAMES, QUICK, Workload, name_of


@pytest.mark.parametrize("sizes", [FULL, QUICK])
def test_every_workload_is_there_in_both_sizes(sizes: tuple[Workload, ...]) -> None:
    assert {name_of(each) for each in choose([], sizes)} == set(NAMES)


def test_titles_tell_workloads_apart() -> None:
    titles = [each.title for each in FULL]
    assert len(set(titles)) == len(titles)


def test_choosing_by_name() -> None:
    assert {name_of(each) for each in choose(["w2", "W3"], FULL)} == {"W2", "W3"}
    with pytest.raises(ValueError, match="no workload W9"):
        choose(["W9"], FULL)
