"""What each RPC means, in terms of the ports.

Commands take and give domain types, and raise domain errors. Nothing of gRPC belongs here.
"""
