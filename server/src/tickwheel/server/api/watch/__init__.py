"""Watching runs: one reader of the run log for all watches of a process, and their positions.

What a watch shows and to whom is the command's; nothing here writes to the store.
"""
