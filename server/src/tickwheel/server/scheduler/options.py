"""The scheduler's time-outs. One place, because they only make sense together."""

from dataclasses import dataclass, field

from tickwheel.server.domain.lease import SESSION_LEASE_MS, SchedulerSession
from tickwheel.server.scheduler.lingering import PATIENCE_MS
from tickwheel.server.scheduler.throttle import DispatchLimits

#: About 1 GB of memory, and far more than goes out in the time of the look-ahead.
MOST_UNPUBLISHED = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerOptions:
    """In milliseconds, but for `slice` and `most_unpublished`.

    A worker's permission is shorter than the time after which it is taken for dead, and both are
    shorter than the scheduler's own lease: whoever is replaced has stopped before.
    """

    #: A session that does not beat for this long is dead; its segments may be taken.
    lease_ms: int = SESSION_LEASE_MS
    renew_ms: int = 2_500
    #: An owner stops this long before its lease ends, on its own steady clock.
    lease_margin_ms: int = 2_000
    #: How often it is tried to go on after the session has run out.
    resume_ms: int = 500
    membership_ms: int = 1_000
    #: Who comes back after an outage of the store leaves the others their share for this long.
    regroup_ms: int = 2_500
    #: Rounds of handing out are at least this far apart, but for those that an event asks for.
    pace_ms: int = 20
    #: How often the schedule and the inbox are read.
    read_ms: int = 1_000
    #: How often everything since the position is read again.
    sweep_ms: int = 60_000
    #: How often the inbox is looked through for what was written late.
    reread_ms: int = 20_000
    #: How long records are gathered into one batch.
    record_ms: int = 50
    advance_ms: int = 1_000
    position_ms: int = 10_000
    #: What has waited for so long does not hold the position back any more.
    patience_ms: int = PATIENCE_MS
    #: How often the finished parts of each segment are dropped, one segment after another.
    drop_ms: int = 60_000
    #: Finished parts of the schedule are kept this long behind the position.
    drop_grace_ms: int = 300_000
    #: How often somebody looks for new time-zone data, and for segments to be gone through.
    zone_data_ms: int = 60_000
    rederive_ms: int = 1_000
    #: How often the next few jobs are held against the schedule; a pass over all jobs begins this
    #: long after the one before at the earliest.
    repair_ms: int = 2_000
    repair_pass_ms: int = 600_000
    #: What seems to be missing is mended when it is still so after this time.
    repair_doubt_ms: int = 60_000
    heartbeat_ms: int = 500
    #: A worker that is silent for this long is taken for dead.
    worker_lease_ms: int = 3_000
    #: From a heartbeat on, a worker may publish for this long.
    permission_ms: int = 2_500
    #: How long a change may take to be confirmed.
    confirm_ms: int = 4_000
    #: Clocks further apart than this take no work.
    clock_bound_ms: int = 500
    #: A wall clock that is ahead of most workers' by more than this goes by theirs. Beyond it what
    #: was lost by deciding too early is more than what is by being late: apis go by their own.
    ahead_bound_ms: int = 5_000
    #: Who has just started waits so long for the first worker's clock before it decides anything:
    #: longer than workers wait between two attempts to connect.
    witness_ms: int = 6_000
    #: Rows taken in, or runs handed out, between two turns of the event loop, some
    #: 20 ms of work. Dev mode takes fewer: its worker waits for the same loop.
    slice: int = 500
    #: Runs that may wait to be published before nothing more is taken in.
    most_unpublished: int = MOST_UNPUBLISHED
    #: What the operator allows over many jobs.
    limits: DispatchLimits = field(default_factory=DispatchLimits)
    #: True where no other scheduler can live (the embedded engine's lock): nobody is waited for.
    exclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a scheduler is, for its process's life."""

    session_id: str
    #: `host:port` of its gRPC services, or `local`.
    address: str
    version: str

    def session(self, beat: int, lease_until_ms: int) -> SchedulerSession:
        """Its session row."""
        return SchedulerSession(
            session_id=self.session_id,
            address=self.address,
            beat=beat,
            lease_until_ms=lease_until_ms,
            version=self.version,
        )
