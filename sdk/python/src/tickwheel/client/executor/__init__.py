"""The executor: a user's program that takes runs from the log, executes them, and reports.

Here belongs what happens between a record and the report of its outcome. `Executor` is the outside;
where records come from is a port (`port`), reports go in batches (`reports`), and what is decided
(`offsets`, `outcome`, `record`) is apart from what is done. Never imports the server or the worker.
"""
