"""What Tickwheel is about: jobs, runs, occurrences, segments, fences.

Pure: no I/O, no asyncio, no driver; only the generated messages and the schedule package may be
imported here.
"""
