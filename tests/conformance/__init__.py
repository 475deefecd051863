"""What every store engine must do, as cases by subject; no engine is named in them.

An engine's test module makes a `store` fixture and calls `suite` once, with its exceptions and
their reasons. A case takes a World, asks nothing of timing, and tolerates what others left in the
same store: it uses a user of its own and takes the segments that it writes to.
"""
