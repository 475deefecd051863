"""Explanations of what occurrences became."""
