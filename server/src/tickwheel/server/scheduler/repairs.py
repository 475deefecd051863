"""Counts what was found wrong in the store and mended, for operators and for metrics."""

import enum
from collections import Counter


class Mended(enum.StrEnum):
    """What it was; the values are those of the metric's label."""

    #: A job that had something to come and nothing in the schedule: it would never have fired.
    JOB_WITHOUT_ROW = "job_without_row"
    #: A row behind the readers, which nobody had read.
    LATE_ROW = "late_row"
    #: A row of a creation or change that never came to be.
    ROW_WITHOUT_JOB = "row_without_job"
    #: A run that had gone further for its owner than for those who read the history.
    HISTORY_GAP = "history_gap"
    #: A row among the open runs of a run that is not open.
    OPEN_RUN = "open_run"
    #: A run that waited for its turn though nothing stood in its way.
    WAITING_RUN = "waiting_run"
    #: What was left of a job past its retention, as its removal had ended halfway.
    HALF_REMOVED_JOB = "half_removed_job"
    #: A part of the schedule that lies behind its segment's position. Everyday housekeeping.
    BUCKET = "bucket"


#: How often since the process began.
Repairs = Counter[Mended]
