"""The whole of Tickwheel in one process, in simulated time, from one seed.

The production scheduler, worker and api run here under a loop, clocks, a network, a store and a log
of ours, which lose, delay and break things as a plan says. What came of it is judged by the auditor
(tickwheel.server.audit). Nothing in here may read a real clock or real chance: the same seed is the
same run, step for step.
"""
