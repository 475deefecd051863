"""From the rows of one segment's schedule to the occurrences they stand for, and back. Pure.

A cursor goes over its schedule up to the look-ahead and decides what becomes of each occurrence: a
run, a run that waits, or a record of why there is none. Its row in the schedule follows behind, to
the first occurrence that is not yet done. What becomes of a run in between is none of this.
"""

from tickwheel.server.scheduler.cursors.cursors import Cursors
from tickwheel.server.scheduler.cursors.expansion import STEP_BUDGET
from tickwheel.server.scheduler.cursors.rows import Advance

__all__ = ["STEP_BUDGET", "Advance", "Cursors"]
