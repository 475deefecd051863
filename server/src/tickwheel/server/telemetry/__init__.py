"""What the servers measure and trace, at their ports: calls, the store, runs as they are recorded.

Nothing of it is in the logic. Where telemetry is off none of it is put in place.
"""
