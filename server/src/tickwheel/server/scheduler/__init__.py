"""The scheduler: owns segments, finds what is due, hands it to workers, records what became of it.

Decisions are pure and live in `membership` (who owns which segment), `placement` (which worker
serves which segment), `segment` (what is to fire, what is done) and `link` (what one worker holds
and may do). `runtime` and its neighbours carry the decisions out; nothing else makes a call.
"""
