"""Engines that have just begun are slow: their code is compiled while it runs.

On a small machine three of them leave nothing of it to anybody else for a minute or two. What a
drill finds then says more of that than of its fault; so the load goes on until calls are answered
as they are every day.
"""

import time

from drills.load import BrokenBeforeError, Load, Rates

#: Calls are answered as on every day when none of a round took longer, in seconds.
DAILY_S = 1.5
ROUND_S = 10
PATIENCE_S = 420


def warm(api: str, topic: str, rates: Rates) -> float:
    """Loads until all calls of a round are answered in time; returns after how many seconds.

    Args:
        api: a gRPC name of the api; `ipv4:a,b` for several.
        topic: one that nobody looks at.
        rates: how much.

    Raises:
        TimeoutError: they were never answered in time.
    """
    begun = time.monotonic()
    seen = "nothing was tried"
    while time.monotonic() < begun + PATIENCE_S:
        try:
            with Load(api, topic, rates) as load:
                time.sleep(ROUND_S)
                load.end()
        except BrokenBeforeError as error:
            seen = str(error)
            continue
        if not load.errors and load.slowest_s < DAILY_S:
            return time.monotonic() - begun
        seen = f"{len(load.errors)} errors, the slowest took {load.slowest_s:.1f} s"
    raise TimeoutError(f"calls are not answered in time after {PATIENCE_S} s: {seen}")
