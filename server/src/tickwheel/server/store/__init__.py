"""Where jobs, the schedule, runs and leases are kept: one port, several engines.

`port` is the contract, `sqlite` and `cassandra` fulfil it, `codec` turns domain values into bytes
for both. `tests/conformance` holds every engine to the contract. Nothing outside an engine imports
its driver, and no engine decides what is due.
"""
