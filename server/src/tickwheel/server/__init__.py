"""The api and the scheduler: what a cluster of servers runs. Nothing here is imported by the worker or the SDK."""
