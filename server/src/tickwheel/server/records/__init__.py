"""The embedded log, in place of Kafka where everything runs in one process.

Topics, partitions, offsets, keys, headers and consumer groups behave as on Kafka, on an SQLite file
of its own. Nothing here knows of jobs or runs: what a record means is its writer's business.
"""
