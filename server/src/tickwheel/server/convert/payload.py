"""Payloads: from the client's field to the bytes on the wire, once, and back for answers."""

import json
import math
from typing import Any, cast

from google.protobuf import struct_pb2

from tickwheel.server.domain.job import EMPTY_PAYLOAD, Payload, PayloadKind
from tickwheel.v1 import target_pb2

CONTENT_TYPES = {
    PayloadKind.NONE: "",
    PayloadKind.JSON: "application/json",
    PayloadKind.TEXT: "text/plain; charset=utf-8",
    PayloadKind.DATA: "application/octet-stream",
}

#: From here on ECMAScript writes a whole number with an exponent, and so do we.
_EXPONENT_FROM = 1e21


class NotJson(ValueError):
    """A google.protobuf.Value that JSON has no words for."""


def payload_of(message: target_pb2.Payload) -> Payload:
    """The payload as it goes on the wire.

    JSON is written compactly, in UTF-8, with whole numbers as integers. Members of objects are in
    order of their names: google.protobuf.Struct does not keep the client's order.

    Raises:
        NotJson: the value holds NaN, an infinity, or a value of no kind.
    """
    content = message.WhichOneof("content")
    if content == "json":
        text = json.dumps(
            _plain(message.json), ensure_ascii=False, separators=(",", ":"), sort_keys=True
        )
        return Payload(PayloadKind.JSON, text.encode())
    if content == "text":
        return Payload(PayloadKind.TEXT, message.text.encode())
    if content == "data":
        return Payload(PayloadKind.DATA, message.data)
    return EMPTY_PAYLOAD


def put_payload(payload: Payload, message: target_pb2.Payload) -> None:
    """Writes a payload into an empty message, in the field that the client had used."""
    match payload.kind:
        case PayloadKind.JSON:
            _fill(message.json, json.loads(payload.data))
        case PayloadKind.TEXT:
            message.text = payload.data.decode()
        case PayloadKind.DATA:
            message.data = payload.data
        case PayloadKind.NONE:
            pass


def _plain(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return _number(value.number_value)
        case "struct_value":
            return {name: _plain(member) for name, member in value.struct_value.fields.items()}
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "bool_value":
            return value.bool_value
        case "null_value":
            return None
        case _:
            raise NotJson("a JSON value has no kind; say null where nothing is meant")


def _number(number: float) -> int | float:
    if number.is_integer() and abs(number) < _EXPONENT_FROM:
        return int(number)
    if not math.isfinite(number):
        raise NotJson("JSON has no NaN and no infinity")
    return number


def _fill(value: struct_pb2.Value, plain: Any) -> None:
    if plain is None:
        value.null_value = struct_pb2.NULL_VALUE
    elif isinstance(plain, bool):
        value.bool_value = plain
    elif isinstance(plain, int | float):
        value.number_value = plain
    elif isinstance(plain, str):
        value.string_value = plain
    elif isinstance(plain, list):
        _fill_list(value, cast("list[Any]", plain))
    else:
        # An object without members is still an object.
        value.struct_value.SetInParent()
        for name, member in plain.items():
            _fill(value.struct_value.fields[name], member)


def _fill_list(value: struct_pb2.Value, plain: list[Any]) -> None:
    value.list_value.SetInParent()
    for item in plain:
        _fill(value.list_value.values.add(), item)
