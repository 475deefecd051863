import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "exhaustive: minutes of work; only runs with -m exhaustive, before a release"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is exhaustive is not run unless it is asked for by name."""
    if "exhaustive" in (config.getoption("markexpr") or ""):
        return
    heavy = [item for item in items if item.get_closest_marker("exhaustive")]
    items[:] = [item for item in items if item not in heavy]
    config.hook.pytest_deselected(items=heavy)
