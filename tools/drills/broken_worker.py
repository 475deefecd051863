"""``python -m drills.broken_worker DEFECT``: a worker that breaks a promise on purpose.

For ``python -m drills --defect DEFECT``, which has to end with a violation.
"""

import sys

from simulator.defects import DEFECTS
from tickwheel.worker.logs import configure_logs
from tickwheel.worker.process import run_process
from tickwheel.worker.settings import WorkerSettings

#: Those of a worker, and the drill that is to find each.
FOUND_BY = {"no-due-check": "calm", "no-permission": "hang-worker"}


def main() -> None:
    """Runs the worker until it is told to stop."""
    DEFECTS[sys.argv[1]]()
    settings = WorkerSettings()
    configure_logs(settings.log_level, settings.log_format)
    run_process(settings)


if __name__ == "__main__":
    main()
