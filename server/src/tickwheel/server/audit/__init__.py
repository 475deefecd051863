"""The auditor: was everything that was due published once, on time, or recorded with its reason?

It is independent of what fires: it reads what clients were told, the history in the store and the
records on the log, computes from the schedules what ought to have happened, and says what differs.
Pure: readers bring the facts, job by job and window by window; nothing here waits or reads a clock.
The simulation, the drills and `tickwheel audit` share it.
"""
