"""What executors report of attempts, and what they are answered."""

from dataclasses import dataclass, field

from tickwheel.server.domain.run import RunState

#: How often executors are asked to send heartbeats for a running attempt.
HEARTBEAT_MS = 5_000


def cut_details(text: str, most_bytes: int) -> str:
    """Details of a failure, as UTF-8 of so many bytes at most.

    The end of a traceback says most: what is over the limit goes from the beginning.
    """
    data = text.encode()
    if len(data) <= most_bytes:
        return text
    kept = data[-(most_bytes - len("…".encode())) :].decode(errors="ignore")
    return f"…{kept}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an executor says it has come; None for a part that it did not mention."""

    fraction: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt failed, as tickwheel.v1.RunError."""

    message: str
    type: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An attempt has been started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """An attempt is still at work."""

    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """An attempt has ended, as SUCCEEDED, FAILED or CANCELLED."""

    state: RunState
    retryable: bool = True
    #: Compact JSON; empty for none.
    result: bytes = b""
    failure: Failure | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report about one attempt."""

    job_uid: str
    segment: int
    run_id: str
    attempt: int
    fence: int
    what: Start | Heartbeat | Finish
    #: Who reports, as it calls itself; may be empty.
    executor: str = ""
    #: `users/…/runs/…`, for people.
    run_name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A report was accepted."""

    #: When the attempt's time runs out, Unix milliseconds.
    timeout_ms: int = 0
    cancel_requested: bool = False
