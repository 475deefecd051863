"""`make bench-scale`: what more schedulers bring, and what a large cluster needs.

Here belongs what `docs/scale.md` rests on: schedulers under a quota of CPU time, what they cost
while nothing is due, the same code in simulated time, and the model that adds it up.
"""
