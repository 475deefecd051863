"""What clients asked for and what they were told."""

from dataclasses import dataclass, field
from typing import Any

from simulator.plan import Step


@dataclass(slots=True)
class Told:
    """One call of a client. Times are true ones, Unix milliseconds."""

    step: Step
    method: str
    job: str
    begun_ms: int
    request_id: str = ""
    #: 0 while it is under way.
    ended_ms: int = 0
    #: Name of the gRPC code; empty while it is under way.
    code: str = ""
    details: str = ""
    #: The response, where the code is OK.
    response: Any = None
    #: For a batch: one result for each item.
    items: list["Told"] = field(default_factory=list["Told"])

    @property
    def is_ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.code == "OK"

    @property
    def is_refused(self) -> bool:
        """Whether the client was told that nothing was done."""
        return self.code in _REFUSALS


_REFUSALS = frozenset(
    {"INVALID_ARGUMENT", "ALREADY_EXISTS", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
)
