"""Metrics, traces, alerts: that all say the same, and say what is so."""
