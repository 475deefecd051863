"""The workloads as data, each in a quick size for development and in the full one."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Submit:
    """W1: jobs submitted by concurrent clients, due much later."""

    api: Literal["grpc", "rest"]
    #: Jobs in a request; 1 is CreateJob, more is BatchCreateJobs.
    batch: int
    #: Who makes the ids; `request` is the server, with a request_id to make repeats safe.
    ids: Literal["server", "client", "request"]
    #: Due instants: spread over 24 hours, or all in one second.
    due: Literal["24h", "1s"]
    jobs: int
    clients: int = 64

    @property
    def title(self) -> str:
        """Such as `gRPC, one by one, ids by server, due over 24 h`."""
        api = {"grpc": "gRPC", "rest": "REST"}[self.api]
        size = "one by one" if self.batch == 1 else f"batches of {self.batch:,}"
        ids = "server, with request_id" if self.ids == "request" else self.ids
        due = {"24h": "over 24 h", "1s": "in one second"}[self.due]
        return f"{api}, {size}, ids by {ids}, due {due}"

    @property
    def alike(self) -> str:
        """What any scheduler is asked in this workload; empty where it is about this one's api."""
        if self.api != "grpc" or self.ids != "server":
            return ""
        size = "one by one" if self.batch == 1 else f"in batches of {self.batch:,}"
        return f"{size}, due {'over 24 h' if self.due == '24h' else 'in one second'}"


@dataclass(frozen=True, slots=True)
class Burst:
    """W2: one-off jobs all due at one instant."""

    jobs: int
    #: Seconds between the last submission and the instant, at least.
    lead_s: float
    #: Whether the schedulers are restarted in between.
    restart: bool
    #: Whether an executor takes the runs, and of jobs of which completion; empty: none does.
    handlers: Literal["", "published", "reported"] = ""

    @property
    def title(self) -> str:
        """Such as `20,000 in one instant, in handlers, schedulers restarted before`."""
        handled = {"": "", "published": ", in handlers", "reported": ", in handlers that report"}
        restarted = ", schedulers restarted before" if self.restart else ""
        return f"{self.jobs:,} in one instant{handled[self.handlers]}{restarted}"


@dataclass(frozen=True, slots=True)
class Steady:
    """W3: one-off jobs due at a steady rate."""

    per_s: int
    seconds: float
    lead_s: float

    @property
    def title(self) -> str:
        """Such as `1,000/s for 60 s`."""
        return f"{self.per_s:,}/s for {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Recurring:
    """W4: schedules with one period."""

    schedules: int
    period_s: int
    seconds: int
    #: All due at the same instants, instead of spread over the period.
    together: bool
    lead_s: float

    @property
    def title(self) -> str:
        """Such as `5,000 schedules every 10 s, spread`."""
        how = "at the same instants" if self.together else "spread"
        return f"{self.schedules:,} schedules every {self.period_s} s, {how}"


@dataclass(frozen=True, slots=True)
class Crash:
    """W5: a process killed (SIGKILL) amid a burst, and started again later."""

    victim: Literal["worker", "scheduler"]
    jobs: int
    lead_s: float
    #: Milliseconds between the due instant and the kill.
    after_ms: int
    #: Seconds until the victim is started again. Where all parts are one process, at once.
    absent_s: float

    @property
    def title(self) -> str:
        """Such as `kill -9 of a worker, 20,000 in one instant`."""
        return f"kill -9 of a {self.victim}, {self.jobs:,} in one instant"


@dataclass(frozen=True, slots=True)
class Standing:
    """W6: many jobs stored that are due in months; few against many, in alternating pairs."""

    few: int
    many: int
    pairs: int
    idle_s: float
    steady: Steady

    @property
    def title(self) -> str:
        """Such as `10,000 against 1,000,000 stored`."""
        return f"{self.few:,} against {self.many:,} stored"


@dataclass(frozen=True, slots=True)
class Storm:
    """W7: one owner's jobs all due at one instant, amid those of another one at a slow rate."""

    jobs: int
    #: The other owner's.
    per_s: int
    #: How long those go on before the instant, and after it, in seconds.
    calm_s: float
    lead_s: float

    @property
    def title(self) -> str:
        """Such as `20,000 of one owner in one instant, amid 20/s of another`."""
        return f"{self.jobs:,} of one owner in one instant, amid {self.per_s}/s of another"


Workload = Submit | Burst | Steady | Recurring | Crash | Standing | Storm

NAMES: dict[str, type[Workload]] = {
    "W1": Submit,
    "W2": Burst,
    "W3": Steady,
    "W4": Recurring,
    "W5": Crash,
    "W6": Standing,
    "W7": Storm,
}
ABOUT = {
    "W1": "submit",
    "W2": "burst",
    "W3": "steady",
    "W4": "recurring",
    "W5": "crash",
    "W6": "standing",
    "W7": "storm",
}


def name_of(workload: Workload) -> str:
    """`W1` to `W7`."""
    return next(name for name, kind in NAMES.items() if isinstance(workload, kind))


FULL: tuple[Workload, ...] = (
    Submit("grpc", 1, "server", "24h", 20_000),
    Submit("grpc", 1, "server", "1s", 20_000),
    Submit("grpc", 1, "request", "24h", 20_000),
    Submit("grpc", 1, "client", "24h", 20_000),
    Submit("grpc", 1_000, "server", "24h", 200_000, clients=8),
    Submit("grpc", 1_000, "server", "1s", 200_000, clients=8),
    Submit("grpc", 1_000, "client", "24h", 50_000, clients=8),
    Submit("rest", 1, "server", "24h", 10_000),
    Submit("rest", 1, "client", "24h", 10_000),
    Submit("rest", 1_000, "server", "24h", 50_000, clients=8),
    Burst(5_000, 60, restart=True),
    Burst(20_000, 60, restart=True),
    Burst(20_000, 60, restart=True, handlers="published"),
    Burst(20_000, 60, restart=True, handlers="reported"),
    Steady(1_000, 60, 15),
    Steady(3_000, 60, 15),
    Steady(5_000, 60, 15),
    Recurring(1_000, 10, 60, together=False, lead_s=10),
    Recurring(5_000, 10, 60, together=False, lead_s=10),
    Recurring(5_000, 10, 60, together=True, lead_s=10),
    Crash("worker", 20_000, 15, after_ms=100, absent_s=20),
    Crash("scheduler", 20_000, 15, after_ms=100, absent_s=20),
    Storm(20_000, 50, calm_s=10, lead_s=30),
    Standing(10_000, 1_000_000, 5, 20, Steady(500, 20, 10)),
)

QUICK: tuple[Workload, ...] = (
    Submit("grpc", 1, "server", "24h", 500),
    Submit("grpc", 1, "client", "24h", 300),
    Submit("grpc", 1_000, "server", "24h", 5_000, clients=4),
    Submit("rest", 1, "server", "24h", 300),
    Burst(1_000, 3, restart=False),
    Burst(1_000, 3, restart=False, handlers="published"),
    Burst(1_000, 3, restart=False, handlers="reported"),
    Steady(200, 3, 3),
    Recurring(100, 2, 6, together=False, lead_s=3),
    Crash("worker", 1_000, 3, after_ms=20, absent_s=2),
    Storm(500, 20, calm_s=1, lead_s=2),
    Standing(100, 2_000, 1, 2, Steady(100, 2, 3)),
)
