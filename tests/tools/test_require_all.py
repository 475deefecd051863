"""A skip is a failure where everything is required."""

import pytest
from require_all import VARIABLE

pytest_plugins = ["pytester"]

SUITE = """
import pytest

def test_skips():
    pytest.skip("no engine here")

@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_expected():
    assert False

def test_passes():
    pass
"""


def test_a_skip_passes_on_a_developers_machine(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("-p", "require_all", "-p", "no:asyncio")
    result.assert_outcomes(skipped=1, xfailed=1, passed=1)


def test_a_skip_fails_where_all_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest("-p", "require_all", "-p", "no:asyncio")
    result.assert_outcomes(failed=1, xfailed=1, passed=1)
    result.stdout.fnmatch_lines(["*allows no skip*no engine here*"])


def test_a_module_that_skips_itself_fails_too(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    pytester.makepyfile("import pytest; pytest.importorskip('no_such_module_at_all')")
    result = pytester.runpytest("-p", "require_all", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*allows no skip*no_such_module_at_all*"])
