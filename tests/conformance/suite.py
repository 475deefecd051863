"""Collects the cases of all subjects into one test of an engine."""

import importlib
from collections.abc import Awaitable, Callable, Mapping

import pytest

from conformance.world import World
from tickwheel.server.store.port import Store

Case = Callable[[World], Awaitable[None]]

SUBJECTS = (
    "jobs",
    "creation",
    "changes",
    "completion",
    "paging",
    "schedule",
    "inbox",
    "positions",
    "zone_data",
    "run_log",
    "log_pages",
    "history",
    "open_runs",
    "leases",
    "fencing",
    "limits",
    "concurrency",
)

_cases: dict[str, Case] = {}


def case(body: Case) -> Case:
    """Makes a function of a subject's module a case: `subject.function`."""
    name = f"{body.__module__.rpartition('.')[2]}.{body.__name__}"
    assert name not in _cases
    _cases[name] = body
    return body


def suite(exceptions: Mapping[str, str] | None = None) -> Callable[..., Awaitable[None]]:
    """The test of an engine: all cases, over the module's `store` fixture.

    Args:
        exceptions: by case name, why this engine cannot do it. Such a case is run and has to
            fail, so that an exception goes when its reason has gone.
    """
    for subject in SUBJECTS:
        importlib.import_module(f"conformance.{subject}")
    reasons = dict(exceptions or {})
    unknown = reasons.keys() - _cases.keys()
    assert not unknown, f"exceptions for cases that do not exist: {unknown}"
    parameters = [
        pytest.param(
            body,
            id=name,
            marks=[pytest.mark.xfail(reason=reasons[name], strict=True)] if name in reasons else [],
        )
        for name, body in _cases.items()
    ]

    @pytest.mark.asyncio(loop_scope="module")
    @pytest.mark.parametrize("body", parameters)
    async def test_conformance(body: Case, store: Store) -> None:
        await body(await World.of(store))

    return test_conformance
