"""What a process tells of itself: the names of all metrics, and how they and spans get out.

Shared with the servers. What is measured where is not decided here; see `publisher` for the worker
and `tickwheel.server.telemetry`.
"""
