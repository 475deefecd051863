"""How long rows of time live. Cassandra writes the instant of expiry into each cell."""

from typing import Final

from tickwheel.server.domain.run import Run
from tickwheel.server.store.codec import run_kept_until_ms, run_logged_until_ms

#: The last instant that a cell can expire at, 2038-01-19, less a day: a signed 32-bit second, in
#: every Cassandra whose `storage_compatibility_mode` is that of new installations. A later one is
#: refused (CASSANDRA-14092).
LAST_EXPIRY_S: Final = (1 << 31) - 86_400
#: The longest TTL by itself: 20 years.
LONGEST_TTL_S: Final = 630_720_000


def ttl_s(wanted_s: int, now_ms: int) -> int:
    """A TTL in seconds, as near to the wanted one as the server takes; 0 would be for ever."""
    return max(1, min(wanted_s, LONGEST_TTL_S, LAST_EXPIRY_S - now_ms // 1000))


def run_ttl_s(run: Run, now_ms: int) -> int:
    """How long a state of a run is kept, rounded up to seconds."""
    return ttl_s(-(-(run_kept_until_ms(run) - run.update_ms) // 1000), now_ms)


def log_ttl_s(run: Run, now_ms: int) -> int:
    """How long it is kept in the run log, likewise."""
    return ttl_s(-(-(run_logged_until_ms(run) - run.update_ms) // 1000), now_ms)
