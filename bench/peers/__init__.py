"""Other schedulers, run beside this checkout in the same session of `make bench`.

Here belongs how a peer and its server are had, started, given work and ended (`Peer` in `port.py`),
and the workloads as they are run on one. What a peer is built of is installed into the user's
cache, never into the project's environment. Nothing of the product may import anything of this.
"""
