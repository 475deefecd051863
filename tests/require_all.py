"""A pytest plugin: under ``TICKWHEEL_REQUIRE_ALL=1`` a test that skips itself has failed.

On a developer's machine a missing tool skips what needs it. Where everything has to be proven, a
skip would be a proof that nobody gave.
"""

import os
from collections.abc import Generator

import pytest

VARIABLE = "TICKWHEEL_REQUIRE_ALL"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure is reported as skipped too, and is one of the ways to pass.
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get(VARIABLE) != "1":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{VARIABLE}=1 allows no skip. {reason}"
