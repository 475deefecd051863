"""Update masks (AIP-134, AIP-161): which fields of a job an update changes, and changing them."""

from dataclasses import dataclass
from typing import Any

from google.protobuf import field_mask_pb2, message

from tickwheel.server.api.errors import invalid
from tickwheel.server.convert.job import IDENTITY, OUTPUT_ONLY
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.v1 import errors_pb2, job_pb2, target_pb2

PAYLOAD = ("target", "payload")
_OURS = "tickwheel.v1."
#: Output-only fields that move by themselves between a client's reading and its update.
_RESTLESS = frozenset({"update_time", "next_run_times", "recent_runs"})

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdateMask:
    """What an update is about."""

    #: Fields to take from the client's job, without the payload.
    paths: tuple[Path, ...]
    #: Whether the payload is replaced; it is taken whole.
    payload: bool
    #: Output-only fields that were named, which must be as they are.
    output_only: tuple[str, ...]


def update_mask(mask: field_mask_pb2.FieldMask, job: job_pb2.Job) -> UpdateMask:
    """Reads a mask; without paths it stands for the fields that are set in the job.

    Names may be those of the proto or of JSON. A path into the payload means the payload.

    Raises:
        InvalidInput: FIELD_MASK_INVALID, names the path.
    """
    if list(mask.paths) == ["*"]:
        paths = [(name,) for name in _changeable()]
    elif mask.paths:
        paths = [_resolve(path) for path in mask.paths]
    else:
        paths = [
            path for path in _populated(job) if path[0] not in OUTPUT_ONLY and path[0] != "name"
        ]
    plain: list[Path] = []
    payload = False
    for path in paths:
        if path[0] in IDENTITY or path[0] in OUTPUT_ONLY:
            continue
        payload = payload or path == PAYLOAD or path == PAYLOAD[:1]
        if path != PAYLOAD:
            plain.append(path)
    return UpdateMask(
        tuple(plain), payload, tuple(path[0] for path in paths if path[0] in OUTPUT_ONLY)
    )


def check_output_only(mask: UpdateMask, job: job_pb2.Job, present: job_pb2.Job) -> None:
    """Refuses an attempt to change what is output only.

    A job that was read, changed and sent back as a whole carries such fields, and over REST the
    mask then names them: they are passed over when they are as they are at present.

    Raises:
        InvalidInput: FIELD_MASK_INVALID, names the field.
    """
    for name in mask.output_only:
        # Of those that move, the uid tells that they were read and not written.
        compared = "uid" if name in _RESTLESS else name
        same = getattr(job, compared) == getattr(present, compared)
        if not same:
            raise _refused(name, "is output only")


def apply(mask: UpdateMask, source: job_pb2.Job, spec: job_pb2.Job) -> None:
    """Takes the mask's fields from the client's job into the spec, but for the payload."""
    for path in mask.paths:
        _copy(source, spec, path)


def _changeable() -> list[str]:
    fields = job_pb2.Job.DESCRIPTOR.fields
    return [field.name for field in fields if field.name not in (*OUTPUT_ONLY, *IDENTITY)]


def _resolve(text: str) -> Path:
    kind: Any = job_pb2.Job.DESCRIPTOR
    path: Path = ()
    for part in text.split("."):
        if path == PAYLOAD:
            _check_content(text, part)
            return path
        if kind is None:
            raise _refused(text, f"has nothing inside {'.'.join(path)} that can be named")
        field = kind.fields_by_name.get(part) or kind.fields_by_camelcase_name.get(part)
        if field is None:
            raise _refused(text, f"there is no field {part!r} in {kind.name}")
        path = (*path, field.name)
        inner = field.message_type
        ours = inner is not None and inner.full_name.startswith(_OURS)
        kind = inner if ours and not field.is_repeated else None
    return path


def _check_content(text: str, part: str) -> None:
    # The payload is one value, though over REST a mask may name members of its JSON.
    if part not in target_pb2.Payload.DESCRIPTOR.fields_by_name:
        raise _refused(text, f"there is no field {part!r} in Payload")


def _populated(job: message.Message, prefix: Path = ()) -> list[Path]:
    found: list[Path] = []
    for field, value in job.ListFields():
        path = (*prefix, field.name)
        inner = field.message_type
        if (
            inner is None
            or field.is_repeated
            or path == PAYLOAD
            or not inner.full_name.startswith(_OURS)
            or field.containing_oneof is not None
        ):
            found.append(path)
        else:
            found += _populated(value, path)
    return found


def _copy(source: message.Message, spec: message.Message, path: Path) -> None:
    *parents, name = path
    for parent in parents:
        source, spec = getattr(source, parent), getattr(spec, parent)
    field = source.DESCRIPTOR.fields_by_name[name]
    if not field.is_repeated and field.has_presence and not source.HasField(name):
        spec.ClearField(name)
        return
    if field.is_repeated:
        spec.ClearField(name)
        getattr(spec, name).MergeFrom(getattr(source, name))
    elif field.message_type is not None:
        getattr(spec, name).CopyFrom(getattr(source, name))
    else:
        setattr(spec, name, getattr(source, name))


def _refused(path: str, why: str) -> InvalidInput:
    return invalid(errors_pb2.FIELD_MASK_INVALID, "updateMask", f"{path}: {why}", path=path)
