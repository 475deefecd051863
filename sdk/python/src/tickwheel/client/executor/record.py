"""What a record says of its run: CloudEvents 1.0, binary mode, as Tickwheel's workers write it.

README.md has the table of the headers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tickwheel.client.executor.port import Delivery
from tickwheel.v1 import executor_service_pb2 as pb

# The same patterns as in RunAttempt of the contract.
_JOB_NAME = re.compile(
    r"users/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?/jobs/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z(-[A-Za-z0-9-]{1,63})?")
_DEAD_LETTER = "tickwheel-dead-letter-run"
#: Of a COMPLETION_PUBLISHED job; records of servers of before it was told do not have it.
_COMPLETION, _PUBLISHED = "tickwheel-completion", "published"
#: Ends the `ce_id` of a dead letter, which is another event than the attempt that failed.
_DEAD_LETTER_ID = "/dead-letter"
_MAX_UID = 36
_MAX_INT32 = 2**31 - 1
_MAX_INT64 = 2**63 - 1


class NotARun(Exception):
    """The record is none of Tickwheel's; the message names the header that says so."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One attempt of a run, as its record names it."""

    event_id: str
    """`ce_id`: the same for a duplicate of the record."""
    job: str
    """`users/{user}/jobs/{job}`."""
    job_uid: str
    run_id: str
    attempt: int
    """From 1."""
    fence: int
    schedule_time: datetime
    """The nominal instant, UTC."""
    due_time: datetime
    """The instant before which it was not published, UTC."""
    headers: Mapping[str, str]
    """All headers, Tickwheel's and the user's; the first where a name occurs twice."""
    delivery: Delivery

    @property
    def name(self) -> str:
        """`users/{user}/jobs/{job}/runs/{run}`."""
        return f"{self.job}/runs/{self.run_id}"

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits of `traceparent`; empty where it has none."""
        return self.headers.get("traceparent", "")[3:35]

    @property
    def told(self) -> str:
        """The attempt, as lines of the log name it."""
        return f"{self.name} (attempt {self.attempt}, trace {self.trace_id or 'unknown'})"

    @property
    def log_fields(self) -> dict[str, str]:
        """Likewise, as fields of lines (`extra`), for those who log them as JSON."""
        return {"job": self.job, "run": self.name, "trace": self.trace_id}

    @property
    def is_dead_letter(self) -> bool:
        """Whether the record only says that the run has failed for good, and why."""
        return _DEAD_LETTER in self.headers

    @property
    def needs_no_report(self) -> bool:
        """Whether the record itself says that nobody waits for what comes of it."""
        return self.is_dead_letter or self.headers.get(_COMPLETION) == _PUBLISHED

    def key(self) -> pb.RunAttempt:
        """What reports name it by."""
        return pb.RunAttempt(
            run=self.name, job_uid=self.job_uid, attempt=self.attempt, fence=self.fence
        )


def run_record(delivery: Delivery) -> RunRecord:
    """Reads the headers of a record.

    Raises:
        NotARun: a header that Tickwheel writes is missing, or has another form.
    """
    headers: dict[str, str] = {}
    for name, value in delivery.headers:
        headers.setdefault(name, value.decode(errors="replace"))
    event_id = _header(headers, "ce_id")
    uid, _, rest = event_id.partition("/")
    if _DEAD_LETTER in headers:
        rest = rest.removesuffix(_DEAD_LETTER_ID)
    run_id, _, number = rest.partition("/")
    if not 0 < len(uid.encode()) <= _MAX_UID or not _RUN_ID.fullmatch(run_id):
        raise NotARun(f"header ce_id is {event_id!r}, not <job uid>/<run id>/<attempt>")
    job = _header(headers, "ce_source")
    if not _JOB_NAME.fullmatch(job):
        raise NotARun(f"header ce_source is {job!r}, not the name of a job")
    attempt = _number(headers, "ce_attempt", 1, _MAX_INT32)
    if number != str(attempt):
        raise NotARun(f"headers ce_id ({event_id!r}) and ce_attempt ({attempt}) differ")
    return RunRecord(
        event_id=event_id,
        job=job,
        job_uid=uid,
        run_id=run_id,
        attempt=attempt,
        fence=_number(headers, "ce_fence", 0, _MAX_INT64),
        schedule_time=_instant(headers, "ce_scheduletime"),
        due_time=_instant(headers, "ce_time"),
        headers=headers,
        delivery=delivery,
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    if name not in headers:
        raise NotARun(f"header {name} is missing")
    return headers[name]


def _number(headers: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = _header(headers, name)
    # No more digits than an int64 has: int() of a long text takes its time.
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise NotARun(f"header {name} is {text!r}, not a number from {least}")
    return int(text)


def _instant(headers: Mapping[str, str], name: str) -> datetime:
    text = _header(headers, name)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise NotARun(f"header {name} is {text!r}, not an instant (RFC 3339)")
    return instant
