"""What an audit is about."""

import json
from dataclasses import asdict, dataclass
from typing import Final

#: By how much the clocks of schedulers, workers and apis may be apart: who is further off takes no
#: work. So long around a change either version of a job may have held.
CLOCK_BOUND_MS: Final = 500
#: What came due less than this ago may still be on its way into the history.
SETTLE_MS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which occurrences are audited. Instants in Unix milliseconds."""

    #: Due from here on, and before there.
    start_ms: int
    end_ms: int
    #: Jobs of this owner; empty for all.
    user: str = ""
    #: Jobs of this id, the living one and deleted ones; empty for all.
    job_id: str = ""
    #: By how much the log's clock may be behind the workers'.
    log_behind_ms: int = 0

    def has(self, at_ms: int) -> bool:
        """Whether an instant is in the range."""
        return self.start_ms <= at_ms < self.end_ms

    def to_json(self) -> str:
        """For the notebook."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Scope":
        """From the notebook."""
        return cls(**json.loads(text))
