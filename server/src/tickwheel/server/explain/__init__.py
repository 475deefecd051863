"""Explains a job: what happened to each occurrence and why, and what will happen to those to come.

Pure: facts from the store come in (a job's versions, its runs, the schedule), explanations go out.
Nothing here waits, reads a clock, or writes.
"""
