"""From errors to statuses."""

import re
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2

from api.harness import Refusal
from tickwheel.server.api.errors import code_of, status_of
from tickwheel.server.domain.errors import FieldViolation, InvalidInput, OutcomeUnknown
from tickwheel.v1 import errors_pb2

PROTO = Path(__file__).parents[2] / "api/proto/tickwheel/v1/errors.proto"
_REASON = re.compile(r"//\s+([A-Z_]+): (?:(?!\n\s*[A-Z]).)*?\n(?:\s*//[^\n]*\n)*\s+([A-Z0-9_]+) = ")


def documented() -> list[tuple[str, str]]:
    """Each reason of the contract and the code that its comment names."""
    return [(reason, code) for code, reason in _REASON.findall(PROTO.read_text())]


def test_every_reason_is_documented() -> None:
    names = {name for name, _ in documented()}

    assert names == set(errors_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}


@pytest.mark.parametrize(("reason", "code"), documented())
def test_the_code_is_the_one_the_contract_names(reason: str, code: str) -> None:
    assert code_of(errors_pb2.ErrorReason.Value(reason)).name == code  # pyright: ignore


def test_an_unknown_outcome_may_be_repeated() -> None:
    refusal = Refusal(status_of(OutcomeUnknown("maybe")))

    assert refusal.summary == ("UNAVAILABLE", "STORE_UNAVAILABLE", [])
    assert refusal.retry.retry_delay.ToMilliseconds() > 0


@pytest.mark.parametrize("text", ["x" * 10_000, "ä" * 10_000, "\U0001f600" * 10_000])
def test_a_status_fits_into_the_trailers(text: str) -> None:
    violations = tuple(FieldViolation(text, text) for _ in range(100))
    status = status_of(InvalidInput(errors_pb2.FIELD_INVALID, text, violations, field=text))

    encoded = len(status.SerializeToString()) * 4 / 3 + len(status.message.encode()) * 3
    assert encoded < 8192
    assert Refusal(status_pb2.Status.FromString(status.SerializeToString())).fields


def test_defects_are_told_apart() -> None:
    first, second = (Refusal(status_of(RuntimeError("x"))) for _ in range(2))

    assert first.code == grpc.StatusCode.INTERNAL.value[0]
    assert first.info.metadata["defect"] != second.info.metadata["defect"]
