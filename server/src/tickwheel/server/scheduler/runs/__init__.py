"""The unfinished runs of one owned segment, from being opened to their final state. Pure.

A run's way: it is opened, a worker takes it, the log has it. Unless an executor is to report, it
has succeeded by that; else it counts as unfinished until the report, its time-out, or its
cancellation. A failed attempt is followed by the next one after its backoff, the last one by a
dead letter. What is decided here goes through the ledger into the store before anyone is told.
"""

from tickwheel.server.scheduler.runs.live_runs import PENDING_AFTER_MS
from tickwheel.server.scheduler.runs.runs import Runs

__all__ = ["PENDING_AFTER_MS", "Runs"]
