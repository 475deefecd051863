"""The jobs of the drill, and what ought to become of each of their occurrences. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from google.protobuf.timestamp_pb2 import Timestamp

from tickwheel.v1 import job_pb2

SECOND_MS = 1_000
DEFAULT_WINDOW_MS = 3_600_000
TOPIC = "catch-up"
#: A slow machine decides or publishes this much later than it might, in ms.
SLACK_MS = 3_000


class Outcome(Enum):
    """What becomes of an occurrence."""

    RUN = "run"
    TOO_OLD = "SKIP_REASON_CATCH_UP_WINDOW"
    PAUSED = "SKIP_REASON_PAUSED"


@dataclass(frozen=True, slots=True)
class Outage:
    """When nothing could run, Unix milliseconds."""

    #: It was asked to stop, and had ended.
    stop_ms: int
    ended_ms: int
    #: It was started again, and ready.
    start_ms: int
    ready_ms: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A job was paused, and resumed: each time when it was asked for and when that was answered."""

    asked_ms: int
    paused_ms: int
    resume_asked_ms: int
    resumed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One job, due each whole second or once."""

    name: str
    #: None: the job says nothing of it.
    window_ms: int | None = None
    at_ms: int = 0
    #: By a cron expression with these instants left out.
    excludes_ms: Sequence[int] = ()
    max_runs: int = 0
    end_ms: int = 0
    is_paused: bool = False

    @property
    def ends(self) -> bool:
        """Whether the job is to be completed by what the drill lets pass."""
        return bool(self.at_ms or self.max_runs or self.end_ms)

    def effective_window_ms(self) -> int | None:
        """How old an occurrence may be to run; None: of any age."""
        if self.window_ms is not None:
            return self.window_ms
        return None if self.at_ms else DEFAULT_WINDOW_MS

    def job(self) -> job_pb2.Job:
        """What is created."""
        job = job_pb2.Job()
        job.target.topic = TOPIC
        job.target.payload.text = self.name
        schedule = job.schedule
        if self.at_ms:
            schedule.at.FromMilliseconds(self.at_ms)
        elif self.excludes_ms:
            schedule.cron = "* * * * * *"
            schedule.excludes.extend(_instant(instant) for instant in self.excludes_ms)
        else:
            schedule.every.seconds = 1
            schedule.anchor.FromMilliseconds(0)
        if self.end_ms:
            schedule.end_time.FromMilliseconds(self.end_ms)
        schedule.max_runs = self.max_runs
        if self.window_ms is not None:
            job.catch_up_window.FromMilliseconds(self.window_ms)
        return job

    def occurrences(self, create_ms: int, until_ms: int) -> Iterator[int]:
        """The job's instants up to and including `until_ms`, ascending."""
        if self.at_ms:
            yield from [self.at_ms] if self.at_ms <= until_ms else []
            return
        count = 0
        first = -(-create_ms // SECOND_MS) * SECOND_MS
        for instant in range(first, until_ms + 1, SECOND_MS):
            if (self.end_ms and instant >= self.end_ms) or 0 < self.max_runs <= count:
                return
            if instant not in self.excludes_ms:
                count += 1
                yield instant

    def allowed(self, due_ms: int, outage: Outage, pause: Pause | None) -> set[Outcome]:
        """What may become of an occurrence; more than one near the edges of what is known."""
        if pause is not None and pause.asked_ms <= due_ms <= pause.resumed_ms:
            surely = pause.paused_ms < due_ms < pause.resume_asked_ms
            return {Outcome.PAUSED} if surely else {Outcome.PAUSED, Outcome.RUN}
        window_ms = self.effective_window_ms()
        if window_ms is None or due_ms < outage.stop_ms - SLACK_MS:
            return {Outcome.RUN}
        if due_ms <= outage.ended_ms:
            # Its record may have been under way, or not.
            return {Outcome.RUN, Outcome.TOO_OLD}
        if due_ms < outage.start_ms - window_ms:
            return {Outcome.TOO_OLD}
        if due_ms < outage.ready_ms + SLACK_MS - window_ms:
            return {Outcome.RUN, Outcome.TOO_OLD}
        return {Outcome.RUN}


def cases(down_ms: int, up_ms: int) -> list[Case]:
    """The jobs for an outage that is to last from `down_ms` to `up_ms`."""
    length_ms = up_ms - down_ms
    down_s = down_ms // SECOND_MS
    middle_ms = (down_ms + length_ms // 2) // SECOND_MS * SECOND_MS
    excludes = [(down_s + offset) * SECOND_MS for offset in (-2, -1, 2, 3, 5)]
    excludes += [up_ms // SECOND_MS * SECOND_MS + offset * SECOND_MS for offset in (-1, 0, 8)]
    return [
        Case(name="every-window-0s", window_ms=0),
        Case(name="every-window-third", window_ms=length_ms // 3),
        Case(name="every-window-default"),
        Case(name="cron-excludes", excludes_ms=excludes),
        Case(name="cron-excludes-third", excludes_ms=excludes, window_ms=length_ms // 3),
        Case(name="once", at_ms=middle_ms),
        Case(name="once-window-long", at_ms=middle_ms, window_ms=10 * length_ms + 600_000),
        Case(name="once-window-short", at_ms=middle_ms, window_ms=length_ms // 8),
        Case(name="paused", is_paused=True),
        Case(name="max-runs", max_runs=length_ms // 2 // SECOND_MS + 6),
        Case(name="max-runs-third", max_runs=length_ms // 2 // SECOND_MS, window_ms=length_ms // 3),
        Case(name="end-time", end_ms=middle_ms),
    ]


def _instant(instant_ms: int) -> str:
    stamp = Timestamp()
    stamp.FromMilliseconds(instant_ms)
    return stamp.ToJsonString()
