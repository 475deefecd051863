"""What a handler is called with."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import Message
from functools import cached_property
from typing import Any

from tickwheel.client.executor.cancellation import Cancellation
from tickwheel.client.executor.errors import RunCancelled
from tickwheel.client.executor.outcome import cut
from tickwheel.client.executor.record import RunRecord
from tickwheel.v1 import run_pb2

MAX_PROGRESS_CHARACTERS = 1_024


class RunContext:
    """One attempt of a run, for the handler that executes it.

    May be used from any thread.
    """

    def __init__(
        self,
        record: RunRecord,
        cancellation: Cancellation,
        deadline: datetime | None,
        progressed: Callable[[run_pb2.Progress], None],
    ) -> None:
        self._record = record
        self._progressed = progressed
        self.cancelled = cancellation
        """True once the handler should stop; may be awaited, or waited for by plain functions."""
        self.deadline = deadline
        """When the attempt's time runs out and it counts as failed (UTC, by the server's clock):
        its publication plus the job's `run_timeout`. None where nobody waits for a report
        (COMPLETION_PUBLISHED)."""

    @property
    def run(self) -> str:
        """The run's full name, `users/7/jobs/nightly/runs/20261123T120000000Z`."""
        return self._record.name

    @property
    def job(self) -> str:
        """The job's full name, `users/7/jobs/nightly`."""
        return self._record.job

    @property
    def job_uid(self) -> str:
        """Tells a deleted job's runs from those of a new job of the same name."""
        return self._record.job_uid

    @property
    def attempt(self) -> int:
        """Which attempt of the run this is, from 1."""
        return self._record.attempt

    @property
    def event_id(self) -> str:
        """`ce_id`: names this attempt; the same when a crash has it executed a second time."""
        return self._record.event_id

    @property
    def schedule_time(self) -> datetime:
        """The nominal instant of the occurrence, UTC."""
        return self._record.schedule_time

    @property
    def due_time(self) -> datetime:
        """The instant before which the run was not published, UTC: nominal plus jitter."""
        return self._record.due_time

    @property
    def topic(self) -> str:
        """The topic that the record was taken from."""
        return self._record.delivery.topic

    @property
    def key(self) -> bytes:
        """The record's key."""
        return self._record.delivery.key

    @property
    def headers(self) -> Mapping[str, str]:
        """The record's headers: those of the target, and Tickwheel's own (`ce_…`)."""
        return self._record.headers

    @property
    def traceparent(self) -> str | None:
        """The W3C trace context of the run; None where the record has none."""
        return self._record.headers.get("traceparent")

    @property
    def content_type(self) -> str:
        """The payload's media type with its parameters; empty for a job without payload."""
        return self._record.headers.get("content-type", "")

    @property
    def data(self) -> bytes:
        """The payload as it came."""
        return self._record.delivery.value

    @cached_property
    def payload(self) -> Any:
        """The payload by its media type: JSON parsed, text as str, anything else as bytes.

        None for a job without payload.

        Raises:
            ValueError: it is not what its media type says.
        """
        if not self.content_type:
            return self.data or None
        header = Message()
        header["content-type"] = self.content_type
        kind = header.get_content_type()
        if kind == "application/json" or kind.endswith("+json"):
            return json.loads(self.data)
        if header.get_content_maintype() == "text":
            charset = str(header.get_content_charset("utf-8"))
            try:
                return self.data.decode(charset)
            except LookupError:
                raise ValueError(f"content-type names an unknown charset, {charset!r}") from None
        return self.data

    def progress(self, fraction: float, message: str = "") -> None:
        """Says how far the handler has come; kept on the run, about once a second at most.

        Args:
            fraction: 0 to 1.
            message: in words; cut at 1,024 characters.

        Raises:
            ValueError: `fraction` is not between 0 and 1.
        """
        if math.isnan(fraction) or not 0 <= fraction <= 1:
            raise ValueError(f"fraction is {fraction}: must be between 0 and 1")
        self._progressed(
            run_pb2.Progress(fraction=fraction, message=cut(message, MAX_PROGRESS_CHARACTERS))
        )

    def raise_if_cancelled(self) -> None:
        """Ends the handler where it should stop; to be called now and then in a long one.

        Raises:
            RunCancelled: it should stop.
        """
        if self.cancelled:
            raise RunCancelled(f"stopped: {self.cancelled.reason}")
