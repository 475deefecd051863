"""Fields of a message by their paths: set from what was typed, named from what was written."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from google.protobuf.message import Message


def set_fields(message: "Message", values: Mapping[str, object]) -> list[str]:
    """Set the fields that have a value other than None, and return their paths.

    Lists and maps are added to. An empty or zero value counts: it is what was typed.
    """
    given = {path: value for path, value in values.items() if value is not None}
    for path, value in given.items():
        *parents, name = path.split(".")
        inside: Any = message
        for parent in parents:
            inside = getattr(inside, parent)
        match value:
            case timedelta():
                getattr(inside, name).FromTimedelta(value)
            case datetime():
                getattr(inside, name).FromDatetime(value)
            case dict():
                getattr(inside, name).update(value)
            case list():
                getattr(inside, name).extend(value)
            case _:
                setattr(inside, name, value)
    return list(given)


def written_paths(message: "Message", written: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The paths of what is written in a message's JSON form, empty and zero values included.

    Args:
        message: of the kind that was written.
        written: its JSON form, already found to be one.
        prefix: of the paths, with its dot.
    """
    paths: list[str] = []
    kind = message.DESCRIPTOR
    for name, value in written.items():
        field = kind.fields_by_name.get(name) or kind.fields_by_camelcase_name[name]
        path = f"{prefix}{field.name}"
        inner = field.message_type
        ours = inner is not None and inner.file.package == kind.file.package
        # One of several forms is taken whole, and so is what is not an object here.
        if (
            ours
            and isinstance(value, dict)
            and not field.is_repeated
            and field.containing_oneof is None
            and not _is_union(inner)
        ):
            object_ = cast("dict[str, Any]", value)
            paths += written_paths(getattr(message, field.name), object_, f"{path}.")
        else:
            paths.append(path)
    return paths


def _is_union(kind: Any) -> bool:
    """Whether a message is nothing but one of several: a payload."""
    return bool(kind.oneofs) and all(field.containing_oneof is not None for field in kind.fields)
