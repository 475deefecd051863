"""One handler for each RPC: checks the request's form, calls its command, makes the answer.

No decision about jobs or runs belongs here, and no store.
"""
