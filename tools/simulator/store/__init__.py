"""A store in memory behind the store port, with the promises of the Cassandra engine and no others.

`cells` is what the cluster holds, `link` is one process's way to it, and the other modules are the
engine: the same steps in the same order, each of them a call of the link that can fail by itself.
"""
