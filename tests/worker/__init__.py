"""Tests of the worker: its pure parts, its runtime in virtual time, and its publisher on Kafka."""
