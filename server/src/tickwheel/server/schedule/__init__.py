"""When: schedules, the instants they name, and their description in words.

Pure and alone: nothing of the rest of Tickwheel, no protocol message, no clock and no I/O but the
reading of time-zone data may come in here.
"""

from tickwheel.server.schedule.errors import ScheduleError, ScheduleErrorReason
from tickwheel.server.schedule.instants import ceil_ms
from tickwheel.server.schedule.preview import Preview, preview
from tickwheel.server.schedule.schedule import Schedule, compile_schedule
from tickwheel.server.schedule.spec import DstGap, DstOverlap, ScheduleSpec

__all__ = [
    "DstGap",
    "DstOverlap",
    "Preview",
    "Schedule",
    "ScheduleError",
    "ScheduleErrorReason",
    "ScheduleSpec",
    "ceil_ms",
    "compile_schedule",
    "preview",
]
