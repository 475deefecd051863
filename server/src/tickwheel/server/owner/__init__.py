"""How the api reaches the scheduler that owns a job's segment.

`port` is what commands use; `directory` finds the owner in the leases and speaks to it, in this
process or over gRPC.
"""
