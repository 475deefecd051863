"""Fault drills on real processes, and the soak: ``make drills``, ``make soak``.

In the manner of Jepsen's Chronos test: `load` notes what clients asked for and were told, `watch`
what a plain consumer sees on Kafka, and `targets` matches the two. Nothing here asks Tickwheel's
store, nor uses the code that computes its schedules.
"""
