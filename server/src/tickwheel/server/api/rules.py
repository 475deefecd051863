"""The contract's own rules (protovalidate), and their violations in the client's words."""

from typing import Any

import protovalidate
from google.protobuf import message

from tickwheel.server.domain.errors import FieldViolation, InvalidInput
from tickwheel.v1 import errors_pb2

_validator = protovalidate.Validator()

#: Reasons of fields whatever rule they break.
_FIELD_REASONS = {
    "name": errors_pb2.INVALID_NAME,
    "parent": errors_pb2.INVALID_NAME,
    "job_id": errors_pb2.INVALID_NAME,
    "page_token": errors_pb2.PAGE_TOKEN_INVALID,
    "resume_token": errors_pb2.RESUME_TOKEN_INVALID,
    "filter": errors_pb2.FILTER_INVALID,
}
_RULE_REASONS = {
    "required": errors_pb2.FIELD_REQUIRED,
    "repeated.min_items": errors_pb2.FIELD_REQUIRED,
    "repeated.max_items": errors_pb2.FIELD_INVALID,
    "job.name_required": errors_pb2.FIELD_REQUIRED,
}
#: Rules that are about a field inside of the one they stand at.
_RULE_FIELDS = {"job.name_required": "job.name"}

_USER = "{user} is 1-63 of letters, digits, '.', '_', '-', a letter or digit at both ends"
_JOB = "{job} is 1-63 of a-z, 0-9, '-', a letter or digit at both ends"
#: What a pattern means, in words, by the field it belongs to.
_FORMS = {
    "topic": "must be 1-249 of letters, digits, '.', '_', '-'",
    "dead_letter_topic": "must be 1-249 of letters, digits, '.', '_', '-'",
    "job_id": f"{_JOB}",
    "labels": "a label's key is 1-63 of letters, digits, '.', '_', '-', "
    "a letter or digit at both ends",
    "headers": "a header's key is 1-128 printable ASCII characters without blanks",
}
#: Which values of an enum, by their names; the rule itself has their numbers.
_VALUES = {"state": "must be RUN_STATE_SUCCEEDED, RUN_STATE_FAILED or RUN_STATE_CANCELLED"}
#: The same as _FORMS for names, whose form depends on the request.
_NAME_FORMS = (
    (
        "/runs/",
        f"must be users/{{user}}/jobs/{{job}}/runs/{{run}}, where {_USER}; {_JOB}; "
        "{run} is as in 20261123T120000000Z",
    ),
    ("/jobs/(-|", f"must be users/{{user}}/jobs/{{job}}, '-' for all, where {_USER}; {_JOB}"),
    ("/jobs/", f"must be users/{{user}}/jobs/{{job}}, where {_USER}; {_JOB}"),
    ("users/(-|", f"must be users/{{user}}, or users/- for all, where {_USER}"),
    ("users/", f"must be users/{{user}}, where {_USER}"),
)


def check(request: message.Message, prefix: str = "") -> None:
    """Checks a message against the rules in its proto.

    Args:
        request: the message.
        prefix: its path in what the client sent, with a dot at the end; empty for the whole.

    Raises:
        InvalidInput: names every field that breaks a rule, by its path in JSON.
    """
    violations = _validator.collect_violations(request)
    if not violations:
        return
    first: errors_pb2.ErrorReason | None = None
    found: list[FieldViolation] = []
    for violation in violations:
        proto: Any = violation.proto
        names = [element.field_name for element in proto.field.elements]
        if first is None:
            first = _reason(names, proto.rule_id)
        field = prefix + (_RULE_FIELDS.get(proto.rule_id) or _path(proto.field.elements))
        found.append(FieldViolation(field, _describe(names, proto, violation.rule_value)))
    assert first is not None
    raise InvalidInput(first, f"{found[0].field}: {found[0].description}", tuple(found))


def _reason(names: list[str], rule_id: str) -> errors_pb2.ErrorReason:
    if names == ["requests"] and rule_id == "repeated.max_items":
        return errors_pb2.BATCH_TOO_LARGE
    if names[-1] == "schedule" and rule_id == "required":
        return errors_pb2.SCHEDULE_MISSING
    if rule_id in _RULE_REASONS:
        return _RULE_REASONS[rule_id]
    return _FIELD_REASONS.get(names[-1], errors_pb2.FIELD_INVALID)


def _path(elements: Any) -> str:
    parts: list[str] = []
    for element in elements:
        part = camel(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            key = subscript.value
            part += f'["{key}"]' if isinstance(key, str) else f"[{key}]"
        parts.append(part)
    return ".".join(parts)


def camel(name: str) -> str:
    """A proto field's name as it is in JSON."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _describe(names: list[str], proto: Any, rule: object) -> str:
    if proto.rule_id == "string.pattern":
        if names[-1] in _FORMS:
            return _FORMS[names[-1]]
        for part, form in _NAME_FORMS:
            if part in str(rule):
                return form
    if proto.rule_id == "required":
        return "is required"
    if proto.rule_id == "enum.in" and names[-1] in _VALUES:
        return _VALUES[names[-1]]
    return proto.message
