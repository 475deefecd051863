"""All metrics of Tickwheel: the one list that code, documents, dashboard and alerts go by.

Names and units are OpenTelemetry's (https://opentelemetry.io/docs/specs/semconv/); those that are
not `tickwheel.…` are of its semantic conventions. No label has more values than its description
says, so that no user can make the number of series grow.
"""

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """How values of a metric are put together."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    #: Bounds of a histogram's buckets.
    bounds: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """Its name at the Prometheus endpoint; of a histogram without `_bucket` and the like."""
        name = self.name.replace(".", "_")
        if self.unit == "s":
            name += "_seconds"
        return f"{name}_total" if self.kind is Kind.COUNTER else name


_LATENESS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

SUBMITTED = Metric(
    "tickwheel.jobs.submitted",
    Kind.COUNTER,
    "{job}",
    "Jobs that clients asked to create, by what came of it: created, repeated, id_taken, "
    "id_contested or request_reused.",
    ("result",),
)
DUE = Metric(
    "tickwheel.runs.due",
    Kind.COUNTER,
    "{run}",
    "Runs that were first recorded, whatever became of them; each skipped occurrence is one.",
    ("trigger",),
)
DISPATCHED = Metric(
    "tickwheel.runs.dispatched",
    Kind.COUNTER,
    "{assignment}",
    "Assignments handed to workers; one that is handed out again counts again.",
)
ENDED = Metric(
    "tickwheel.runs.ended",
    Kind.COUNTER,
    "{run}",
    "Runs that came to a final state: succeeded, failed or cancelled; see also skipped.",
    ("state",),
)
SKIPPED = Metric(
    "tickwheel.runs.skipped",
    Kind.COUNTER,
    "{run}",
    "Occurrences that were skipped, by SkipReason: overlap, buffer_full, catch_up_window, "
    "paused, updated or deleted; past_when_accepted is an `at` that its catch-up window left "
    "behind before the job was accepted.",
    ("reason",),
)
LATENESS = Metric(
    "tickwheel.run.lateness",
    Kind.HISTOGRAM,
    "s",
    "From when an attempt was due to when the log had acknowledged its record; of an `at` that was "
    "past already, from when the job was accepted; of a run that waited for another one, from when "
    "that had ended; of one that a limit held back, from when it let it go.",
    ("trigger",),
    _LATENESS,
)
HELD_BACK = Metric(
    "tickwheel.run.held_back",
    Kind.HISTOGRAM,
    "s",
    "How long a limit over many jobs held an attempt back that was due, where one did: "
    "in_flight_per_user, in_flight_per_topic or rate_per_topic.",
    ("limit",),
    _LATENESS,
)
RETRIED = Metric(
    "tickwheel.runs.retried",
    Kind.COUNTER,
    "{attempt}",
    "Attempts that failed and were followed by another one.",
)
DEAD_LETTERS = Metric(
    "tickwheel.runs.dead_letters",
    Kind.COUNTER,
    "{record}",
    "Runs whose last attempt failed and whose dead letter is on the log.",
)
LAG = Metric(
    "tickwheel.scheduler.lag",
    Kind.GAUGE,
    "s",
    "How long the oldest run that is due and not published has been due; 0 for none. Not of those "
    "that a limit holds back.",
)
HOLDING_BACK = Metric(
    "tickwheel.scheduler.held_back",
    Kind.GAUGE,
    "{run}",
    "Runs that are due and that a limit over many jobs holds back, by which.",
    ("limit",),
)
SEGMENTS = Metric(
    "tickwheel.scheduler.segments", Kind.GAUGE, "{segment}", "Segments that the scheduler owns."
)
UNOWNED = Metric(
    "tickwheel.segments.unowned",
    Kind.GAUGE,
    "{segment}",
    "Segments that no living scheduler owns, as this one sees it: their jobs do not fire.",
)
WORKERS = Metric(
    "tickwheel.scheduler.workers",
    Kind.GAUGE,
    "{worker}",
    "Workers that are connected to the scheduler.",
)
PENDING = Metric(
    "tickwheel.scheduler.runs",
    Kind.GAUGE,
    "{run}",
    "Runs inside the look-ahead that have not ended.",
)
LEASES_LOST = Metric(
    "tickwheel.scheduler.leases.lost",
    Kind.COUNTER,
    "{lease}",
    "Segments whose lease the scheduler lost without having given it back.",
)
REPAIRS = Metric(
    "tickwheel.scheduler.repairs",
    Kind.COUNTER,
    "{repair}",
    "What was found wrong in the store and mended: job_without_row, late_row, row_without_job, "
    "history_gap, open_run, waiting_run or half_removed_job; bucket is everyday housekeeping.",
    ("what",),
)
HELD = Metric("tickwheel.worker.held", Kind.GAUGE, "{run}", "Assignments that the worker holds.")
UNACKNOWLEDGED = Metric(
    "tickwheel.worker.unacknowledged",
    Kind.GAUGE,
    "{outcome}",
    "Outcomes that no scheduler has acknowledged yet.",
)
OBSERVING_FAILED = Metric(
    "tickwheel.observing.failures",
    Kind.COUNTER,
    "{failure}",
    "Times that what only observes has failed, by a defect that the log tells of: metrics or spans "
    "are missing, and nothing else.",
)
RPC_SERVER = Metric(
    "rpc.server.call.duration",
    Kind.HISTOGRAM,
    "s",
    "Calls that were served, by full method and status.",
    ("rpc.system.name", "rpc.method", "rpc.response.status_code"),
    _SECONDS,
)
#: The gateway's, which is not made of this list: a test of its own holds it to the document.
HTTP_SERVER = Metric(
    "http.server.request.duration",
    Kind.HISTOGRAM,
    "s",
    "Requests that the gateway was sent, by route and status; a watch for as long as it lasts.",
    ("http.request.method", "http.route", "http.response.status_code"),
    _SECONDS,
)
DB_CLIENT = Metric(
    "db.client.operation.duration",
    Kind.HISTOGRAM,
    "s",
    "Calls of the store, by operation of its port; error.type where one failed.",
    ("db.system.name", "db.operation.name", "error.type"),
    _SECONDS,
)
SEND = Metric(
    "messaging.client.operation.duration",
    Kind.HISTOGRAM,
    "s",
    "From giving a record to the log to its answer; error.type where it was refused or not had.",
    ("messaging.system", "messaging.operation.name", "error.type"),
    _SECONDS,
)

ALL = (
    SUBMITTED,
    DUE,
    DISPATCHED,
    ENDED,
    SKIPPED,
    LATENESS,
    HELD_BACK,
    RETRIED,
    DEAD_LETTERS,
    LAG,
    HOLDING_BACK,
    SEGMENTS,
    UNOWNED,
    WORKERS,
    PENDING,
    LEASES_LOST,
    REPAIRS,
    HELD,
    UNACKNOWLEDGED,
    OBSERVING_FAILED,
    HTTP_SERVER,
    RPC_SERVER,
    DB_CLIENT,
    SEND,
)
