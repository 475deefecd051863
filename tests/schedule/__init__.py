"""Proofs about `tickwheel.server.schedule`: tables, properties, brute force, other libraries."""
