"""`tickwheel bench`: measures a running Tickwheel from outside, as its clients and readers see it.

Here belongs driving the workloads and judging what came out. Nothing here reaches into the server;
how a cluster is started and broken is behind `cluster.Cluster` and `cluster.Lab`.
"""
