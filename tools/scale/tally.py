"""What so many schedulers have spent in simulated time. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What so many schedulers have spent."""

    schedulers: int
    workers: int
    segments: int
    seconds: int
    #: Asked for, of the whole cluster.
    per_s: int
    #: That came onto the log in the time that counts.
    runs: int
    #: Real CPU time, milliseconds.
    scheduler_ms: float
    worker_ms: float
    #: Callbacks of the schedulers' event loops.
    callbacks: int
    #: In the same time without a job, before there was any.
    idle_ms: float
    #: Requests of the schedulers to the store.
    requests: int
    idle_requests: int

    @property
    def callbacks_per_run(self) -> float:
        """Callbacks of all schedulers' event loops a run."""
        return self.callbacks / self.runs

    @property
    def requests_per_run(self) -> float:
        """Requests of all schedulers to the store a run."""
        return self.requests / self.runs

    @property
    def us_per_run(self) -> float:
        """CPU time of all schedulers, microseconds a run."""
        return self.scheduler_ms * 1000 / self.runs

    @property
    def idle_requests_per_s(self) -> float:
        """Requests of one scheduler to the store, in a second without a job."""
        return self.idle_requests / self.seconds / self.schedulers
