"""`tickwheel audit`: brings the auditor the facts of a real cluster, a little at a time.

What is right or wrong is decided in `audit`; here belongs how a store and a log of any size are
read with bounded memory, and how an audit that was interrupted goes on.
"""
