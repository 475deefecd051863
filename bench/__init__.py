"""`make bench`: measures this checkout on both engines, and peers beside it.

Here belongs what only a checkout can do: starting real engines, and running other schedulers. What
is measured, and how, is `tickwheel.server.bench`.
"""
