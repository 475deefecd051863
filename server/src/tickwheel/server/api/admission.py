"""What has to be right about a job beyond the contract's own rules, before anything is stored.

Pure: takes the client's message, gives what the store is to keep, or says which field is wrong.
"""

from dataclasses import dataclass

from google.protobuf.message import Message

from tickwheel.server.api.errors import invalid, schedule_invalid
from tickwheel.server.api.next_runs import first_ms
from tickwheel.server.api.rules import camel
from tickwheel.server.convert.instants import LATEST_MS, is_duration
from tickwheel.server.convert.job import bare_spec, default_dead_letter_topic, fill_defaults
from tickwheel.server.convert.payload import NotJson, payload_of
from tickwheel.server.convert.schedule import plain_at_ms, schedule_from_spec
from tickwheel.server.domain.job import EMPTY_PAYLOAD, Job, Payload, PayloadKind
from tickwheel.server.domain.occurrence import InboxEntry, ScheduleEntry
from tickwheel.server.schedule import ScheduleError
from tickwheel.server.store.port import INBOX_HORIZON_MS
from tickwheel.v1 import errors_pb2, job_pb2, schedule_pb2, target_pb2

_OWN_HEADERS = frozenset({"content-type", "traceparent", "tracestate"})
_MAX_TOPIC = 249


@dataclass(frozen=True, slots=True)
class First:
    """The first occurrence of a schedule, nominal and due, Unix milliseconds."""

    schedule_ms: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class Admission:
    """Checks jobs against this server's limits."""

    max_payload_bytes: int

    def take(self, message: job_pb2.Job, path: str) -> tuple[job_pb2.Job, Payload]:
        """The spec to store, complete with its defaults, and the payload.

        Args:
            message: the client's job; its payload is taken out of it.
            path: where the job stands in the request, `job` or `requests[3].job`.

        Raises:
            InvalidInput: names the field.
        """
        payload = EMPTY_PAYLOAD
        if message.target.HasField("payload"):
            payload = self.payload(message.target.payload, f"{path}.target.payload")
        spec = bare_spec(message)
        self.complete(spec, payload.kind, path)
        return spec, payload

    def complete(self, spec: job_pb2.Job, kind: PayloadKind, path: str) -> None:
        """Fills in the defaults of a spec and checks it but for its schedule.

        Raises:
            InvalidInput: names the field.
        """
        if not spec.HasField("target"):
            raise invalid(errors_pb2.FIELD_REQUIRED, f"{path}.target", "is required")
        if not spec.target.topic:
            raise invalid(errors_pb2.FIELD_REQUIRED, f"{path}.target.topic", "is required")
        _check_headers(spec.target, path)
        _check_durations(spec, path)
        target = spec.target
        if not target.dead_letter_topic and len(default_dead_letter_topic(target)) > _MAX_TOPIC:
            raise invalid(
                errors_pb2.FIELD_REQUIRED,
                f"{path}.target.deadLetterTopic",
                "is required, because the default, <topic>.dlq, would be over 249 characters",
            )
        fill_defaults(spec, kind)

    def payload(self, message: target_pb2.Payload, path: str) -> Payload:
        """A payload as it goes on the wire.

        Raises:
            InvalidInput: it is over the limit, or not JSON.
        """
        try:
            payload = payload_of(message)
        except NotJson as error:
            raise invalid(errors_pb2.FIELD_INVALID, f"{path}.json", str(error)) from error
        size = len(payload.data)
        if size > self.max_payload_bytes:
            raise invalid(
                errors_pb2.PAYLOAD_TOO_LARGE,
                path,
                f"is {size} bytes as published; at most {self.max_payload_bytes} are allowed",
                size=str(size),
                limit=str(self.max_payload_bytes),
            )
        return payload


def first_occurrence(
    spec: job_pb2.Job, uid: str, *, create_ms: int, from_ms: int, path: str
) -> First:
    """The first occurrence of a job's schedule.

    Args:
        spec: the job.
        uid: the job's uid, which its jitter depends on.
        create_ms: what the schedule is counted from, unless it says so itself.
        from_ms: none before this instant, but for a one-off instant in the past.
        path: where the job stands in the request.

    Raises:
        InvalidInput: the schedule is missing or wrong, or never fires.
    """
    field = f"{path}.schedule"
    if not spec.HasField("schedule") or spec.schedule.WhichOneof("form") is None:
        raise invalid(
            errors_pb2.SCHEDULE_MISSING,
            field,
            "is required: one of at, cron, every, iso8601, rrule, anyOf",
        )
    at_ms = plain_at_ms(spec.schedule)
    if at_ms is not None:
        return _told(First(at_ms, at_ms), field)
    try:
        schedule = schedule_from_spec(spec, create_ms)
    except ScheduleError as error:
        raise schedule_invalid(error, field) from error
    nominal = first_ms(schedule, from_ms)
    if nominal is None:
        raise invalid(
            errors_pb2.SCHEDULE_INVALID, field, "never fires: it has no occurrence from now on"
        )
    return _told(First(nominal, schedule.due(nominal, salt=uid)), field)


def _told(first: First, field: str) -> First:
    """An occurrence, unless it is beyond what can be told of it.

    Raises:
        InvalidInput: names the schedule.
    """
    if max(first.schedule_ms, first.due_ms) > LATEST_MS:
        raise invalid(errors_pb2.SCHEDULE_INVALID, field, "its first occurrence is after year 9999")
    return first


def first_entry(job: Job, first: First, now_ms: int, *, ordinal: int) -> ScheduleEntry:
    """The schedule's row for a job whose schedule is new."""
    return ScheduleEntry(
        segment=job.segment,
        fire_ms=max(first.due_ms, now_ms),
        user=job.user,
        uid=job.uid,
        generation=job.generation,
        schedule_ms=first.schedule_ms,
        due_ms=first.due_ms,
        ordinal=ordinal,
    )


def creation_inbox(job: Job, entry: ScheduleEntry, now_ms: int) -> InboxEntry | None:
    """What the owner's inbox needs for a creation: nothing unless it is due soon."""
    if entry.due_ms >= now_ms + INBOX_HORIZON_MS:
        return None
    return InboxEntry(
        segment=job.segment,
        write_ms=now_ms,
        user=job.user,
        uid=job.uid,
        version=job.version,
        entry=entry,
    )


def _check_headers(target: target_pb2.Target, path: str) -> None:
    for key in target.headers:
        lower = key.lower()
        if lower.startswith("ce_") or lower in _OWN_HEADERS:
            raise invalid(
                errors_pb2.FIELD_INVALID,
                f'{path}.target.headers["{key}"]',
                "is a header that Tickwheel sets itself",
            )


def _check_durations(spec: job_pb2.Job, path: str) -> None:
    """Refuses what JSON has no words for: over REST no list with the job could be read any more.

    Protobuf itself takes any two numbers for a duration, and so do the contract's rules.
    """
    _check_each(spec, ("run_timeout", "catch_up_window", "retention"), path)
    if spec.HasField("retry_policy"):
        _check_each(spec.retry_policy, ("initial_backoff", "max_backoff"), f"{path}.retryPolicy")
    _check_durations_of_schedule(spec.schedule, f"{path}.schedule")


def _check_durations_of_schedule(schedule: schedule_pb2.Schedule, path: str) -> None:
    _check_each(schedule, ("every", "jitter"), path)
    for index, member in enumerate(schedule.any_of.schedules):
        _check_durations_of_schedule(member, f"{path}.anyOf.schedules[{index}]")


def _check_each(holder: Message, names: tuple[str, ...], path: str) -> None:
    for name in names:
        if holder.HasField(name) and not is_duration(getattr(holder, name)):
            raise invalid(
                errors_pb2.FIELD_INVALID,
                f"{path}.{camel(name)}",
                "is no duration: its nanos have to be less than a second and of the sign of its "
                "seconds, which may be 315,576,000,000 at most",
            )
