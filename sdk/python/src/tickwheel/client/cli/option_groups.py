"""Options that belong together as one parameter of a command: a dataclass, a field for each."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each parameter that is a dataclass unfolded into the dataclass's fields.

    typer reads a command's options from its signature, and has no other way to share a set of them.
    """
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    unfolded: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = parameter.annotation
        if not (inspect.isclass(group) and is_dataclass(group)):
            unfolded.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        hints = get_type_hints(group, include_extras=True)
        members = fields(group)
        groups[name] = (group, [member.name for member in members])
        unfolded.extend(
            inspect.Parameter(
                member.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(member),
                annotation=hints[member.name],
            )
            for member in members
        )

    @functools.wraps(command)
    def with_groups(**given: Any) -> None:
        for name, (group, members) in groups.items():
            given[name] = group(**{member: given.pop(member) for member in members})
        command(**given)

    with_groups.__signature__ = inspect.Signature(unfolded)  # pyright: ignore[reportAttributeAccessIssue]
    with_groups.__annotations__ = {each.name: each.annotation for each in unfolded}
    return with_groups


def _default(member: Field[Any]) -> object:
    return inspect.Parameter.empty if member.default is MISSING else member.default
