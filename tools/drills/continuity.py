"""What the schedulers' own logs say of an outage: whether streams and holdings have stayed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Said by a scheduler that goes on with all that it owns.
HOLDS: Final = "the session holds again"
#: Said where a stream is made anew, or where what a segment's workers held is handed out again.
BREAKS: Final = (
    "worker connected",
    "worker gone",
    "segments taken",
    "segment lost",
    "session lost",
)


class Continuity:
    """Reads what is logged from its making on."""

    def __init__(self, logs: Sequence[Path]) -> None:
        """Begins at the ends of the logs, one of each scheduler."""
        self._begun = {log: log.stat().st_size for log in logs}

    def breaks(self) -> list[str]:
        """What tells that streams or holdings did not stay: lines, and who never went on."""
        found: list[str] = []
        for log, begun in self._begun.items():
            with log.open("rb") as file:
                file.seek(begun)
                lines = file.read().decode(errors="replace").splitlines()
            found.extend(line for line in lines if any(word in line for word in BREAKS))
            if not any(HOLDS in line for line in lines):
                found.append(f"{log}: it did not go on with what it owned")
        return found
