"""When a failed call is tried again, and after how long."""

import random
from dataclasses import dataclass

import grpc

from tickwheel.client.errors import ApiError

_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after how long a call that found no server, or an overloaded one, is repeated.

    Only calls whose repetition is harmless come under it. The call's time-out bounds all of its
    attempts together.
    """

    max_attempts: int = 5
    """From 1, which never repeats."""
    initial_backoff: float = 0.1
    """Seconds before the second attempt, at most; each further wait is up to twice as long."""
    max_backoff: float = 5.0
    """Seconds; no wait of our own is longer. The server's RetryInfo may be."""

    def wait(self, attempt: int, suggested: float | None = None) -> float:
        """Seconds to wait after a failed attempt.

        Half of it is random, so that clients which failed together do not come back together.

        Args:
            attempt: which attempt has failed, from 1.
            suggested: seconds that the server asked to wait; the wait is not shorter.
        """
        # The exponent is bounded because a watch tries for ever.
        longest = min(self.max_backoff, self.initial_backoff * 2.0 ** min(attempt - 1, 32))
        spread = random.uniform(0.5, 1.0)
        if suggested is None:
            return longest * spread
        return suggested + self.initial_backoff * spread


def may_retry(failure: ApiError, *, repeatable: bool) -> bool:
    """Whether another attempt may help and cannot harm.

    Args:
        failure: of the last attempt.
        repeatable: whether doing the call twice has the effect, and the answer, of once. Of a
            call that failed with UNAVAILABLE it is not known whether it was carried out; one
            that was refused as OVERLOADED was not. A call that a server let go as it ended fails
            with CANCELLED: a caller that cancels gets no such error.
    """
    if failure.reason == "OVERLOADED":
        return True
    return repeatable and failure.code in _LOST
