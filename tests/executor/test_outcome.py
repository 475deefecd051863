"""Outcomes: results within their limits, and whatever a handler may raise."""

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from tickwheel.client import NotRetryable, RunCancelled
from tickwheel.client.executor import outcome
from tickwheel.client.executor.outcome import Outcome, raised, returned
from tickwheel.client.executor.result import MAX_RESULT_BYTES, MAX_RESULT_DEPTH
from tickwheel.v1 import executor_service_pb2, run_pb2

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_is_kept(value: Any) -> None:
    ended = returned(value)
    assert ended.state == run_pb2.RUN_STATE_SUCCEEDED
    if value is None:
        assert ended.result is None
    else:
        assert ended.result is not None
        assert json_format.MessageToDict(ended.result) == value


def test_the_largest_result() -> None:
    assert returned("x" * (MAX_RESULT_BYTES - 2)).state == run_pb2.RUN_STATE_SUCCEEDED
    # In UTF-8, not in characters.
    assert returned("ü" * (MAX_RESULT_BYTES // 2 - 1)).state == run_pb2.RUN_STATE_SUCCEEDED


@pytest.mark.parametrize("value", ["x" * (MAX_RESULT_BYTES - 1), ["ü" * (MAX_RESULT_BYTES // 2)]])
def test_too_large_a_result_is_a_failure_that_no_retry_would_mend(value: Any) -> None:
    ended = returned(value)
    assert (ended.state, ended.retryable) == (run_pb2.RUN_STATE_FAILED, False)
    assert ended.error is not None
    assert ended.error.type == "result-too-large"
    assert "more than 65,536" in ended.error.message


class _Sly(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("not today")


class _Fatal(dict[str, Any]):
    def items(self) -> Any:
        raise SystemExit(3)


class _Hidden(Exception):
    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise ZeroDivisionError

    def __str__(self) -> str:
        return "hidden"


class _Wordless(dict[str, Any]):
    def items(self) -> Any:
        raise _Mute


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


async def _never() -> None:
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"bytes",
        float("nan"),
        [float("inf")],
        {(1, 2): 3},
        "\ud800",
        _loop(),
        10**400,
        _Sly(a=1),
        _Fatal(a=1),
        _Wordless(a=1),
        _never(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_json(value: Any) -> None:
    ended = returned(value)
    assert (ended.state, ended.retryable) == (run_pb2.RUN_STATE_FAILED, False)
    assert ended.error is not None
    assert ended.error.type == "result-not-json"


def test_the_deepest_result_can_be_sent_and_a_deeper_one_is_refused() -> None:
    value: Any = 1
    for _ in range(MAX_RESULT_DEPTH):
        value = {"a": value}
    request = executor_service_pb2.FinishRunsRequest()
    request.runs.add(result=returned(value).result)
    assert executor_service_pb2.FinishRunsRequest.FromString(request.SerializeToString()) == request
    ended = returned({"a": value})
    assert ended.error is not None
    assert ended.error.type == "result-not-json"
    assert "30 levels" in ended.error.message


def _raise(error: BaseException) -> Outcome:
    try:
        raise error
    except BaseException as caught:
        return raised(caught)


class _Mute(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    def __repr__(self) -> str:
        raise SystemExit(2)


class _Nameless(type):
    @property
    def __name__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        raise ValueError("no name")


class _Odd(Exception, metaclass=_Nameless):
    pass


class _Paid(NotRetryable):
    pass


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("no such invoice"), "ValueError", "no such invoice"),
        (SystemExit(3), "SystemExit", "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (GeneratorExit(), "GeneratorExit", ""),
        (StopIteration(1), "StopIteration", "1"),
        (BaseExceptionGroup("two", [ValueError(), SystemExit()]), "BaseExceptionGroup", "two"),
        (ValueError("half of \ud83d"), "ValueError", "half of \\ud83d"),
        (_Mute(), "_Mute", "<cannot be shown: KeyboardInterrupt>"),
        (_Odd("odd"), "<cannot be shown: ValueError>", "odd"),
    ],
    ids=lambda value: type(value).__qualname__,
)
def test_whatever_is_raised_is_a_failure(error: BaseException, kind: str, message: str) -> None:
    ended = _raise(error)
    assert (ended.state, ended.retryable) == (run_pb2.RUN_STATE_FAILED, True)
    assert ended.error is not None
    assert ended.error.type == kind
    assert message in ended.error.message
    ended.error.SerializeToString()


def test_what_lies_about_its_class_is_a_failure_as_well() -> None:
    ended = _raise(_Hidden())
    assert (ended.state, ended.retryable) == (run_pb2.RUN_STATE_FAILED, True)
    assert ended.error is not None
    assert (ended.error.type, ended.error.message) == ("_Hidden", "hidden")
    ended = returned(_Hidden())
    assert ended.error is not None
    assert ended.error.type == "result-not-json"


def test_the_traceback_begins_with_the_handler() -> None:
    ended = _raise(ValueError("no such invoice"))
    assert ended.error is not None
    lines = ended.error.details.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "test_outcome.py" in lines[1]
    assert lines[-1] == "ValueError: no such invoice"


def test_not_retryable() -> None:
    ended = _raise(_Paid("paid already"))
    assert (ended.state, ended.retryable) == (run_pb2.RUN_STATE_FAILED, False)
    assert ended.error is not None
    assert ended.error.type == "_Paid"


def test_a_handler_may_say_that_it_was_cancelled() -> None:
    assert _raise(RunCancelled("stopped")).state == run_pb2.RUN_STATE_CANCELLED


@given(st.text(max_size=30), st.integers(0, 6_000), st.integers(0, 8))
def test_everything_is_cut_at_its_limit(text: str, times: int, depth: int) -> None:
    kind = type("E" * times, (ValueError,), {})
    error: BaseException = kind(text * times)
    for _ in range(depth):
        wrapped = kind(text * 50)
        wrapped.__cause__ = error
        error = wrapped
    ended = _raise(error)
    assert ended.error is not None
    assert len(ended.error.message) <= outcome.MAX_MESSAGE_CHARACTERS
    assert len(ended.error.type) <= outcome.MAX_TYPE_CHARACTERS
    assert len(ended.error.details.encode()) <= outcome.MAX_DETAILS_BYTES


def test_of_a_long_traceback_both_ends_are_kept() -> None:
    error = ValueError("root")
    middle = RuntimeError("x" * 60_000)
    middle.__cause__ = error
    last = LookupError("the last")
    last.__cause__ = middle
    ended = _raise(last)
    assert ended.error is not None
    assert ended.error.details.startswith("ValueError: root")
    assert ended.error.details.endswith("LookupError: the last")
    assert "… cut …" in ended.error.details
