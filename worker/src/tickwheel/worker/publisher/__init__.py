"""The log as the worker sees it: the port, its records, and the engine for Kafka.

What belongs here turns records into acknowledgements; when a record is due is none of its business.
"""
