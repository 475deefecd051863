"""What a handler returned as the result that is kept on the run."""

import json
import types
from typing import Any, cast

from google.protobuf import struct_pb2

MAX_RESULT_BYTES = 64 * 1024
# A level of objects is three nested messages, and protobuf's parsers give up at 100 of them, those
# around the result included.
MAX_RESULT_DEPTH = 30

TOO_LARGE = "result-too-large"
NOT_JSON = "result-not-json"


class ResultRefused(Exception):
    """A handler returned what cannot be kept.

    Attributes:
        kind: TOO_LARGE or NOT_JSON.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def result_value(returned: object) -> struct_pb2.Value | None:
    """A handler's return value as JSON; None for None, which is no result.

    Raises:
        ResultRefused: it is not JSON, nested too deeply, or larger than 64 KiB as compact JSON.
    """
    if returned is None:
        return None
    if issubclass(type(returned), types.CoroutineType):
        cast("types.CoroutineType[Any, Any, Any]", returned).close()
        raise ResultRefused(NOT_JSON, "the handler returned a coroutine: declare it with async def")
    try:
        text = json.dumps(returned, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    # Also what an object of the handler's raises as it is looked at, which may be anything.
    except BaseException as error:
        raise ResultRefused(NOT_JSON, f"the handler's result is not JSON: {_why(error)}") from None
    if size > MAX_RESULT_BYTES:
        raise ResultRefused(
            TOO_LARGE,
            f"the handler's result has {size:,} bytes as JSON, more than {MAX_RESULT_BYTES:,}",
        )
    value = struct_pb2.Value()
    try:
        _fill(value, json.loads(text), MAX_RESULT_DEPTH)
    except OverflowError as error:
        raise ResultRefused(NOT_JSON, "the handler's result has a number beyond 1.8e308") from error
    return value


def _why(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return type(error).__name__


def _fill(value: struct_pb2.Value, plain: Any, levels: int) -> None:
    if plain is None:
        value.null_value = struct_pb2.NULL_VALUE
    elif isinstance(plain, bool):
        value.bool_value = plain
    elif isinstance(plain, int | float):
        value.number_value = plain
    elif isinstance(plain, str):
        value.string_value = plain
    elif not levels:
        raise ResultRefused(
            NOT_JSON, f"the handler's result is nested more than {MAX_RESULT_DEPTH} levels deep"
        )
    elif isinstance(plain, list):
        value.list_value.SetInParent()
        for item in cast("list[Any]", plain):
            _fill(value.list_value.values.add(), item, levels - 1)
    else:
        value.struct_value.SetInParent()
        for name, member in plain.items():
            _fill(value.struct_value.fields[name], member, levels - 1)
