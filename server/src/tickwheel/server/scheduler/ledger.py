"""What one segment's owner has decided and the store does not have yet. Pure.

The order in which a batch is written is a promise: first the run log, which recovery reads, then
the rows of the open runs, and only when both are there may a schedule's row move on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tickwheel.server.domain.run import Run

RunKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Batch:
    """States to write to the run log, in this order; then rows of open runs, then deletions."""

    records: list[Run]
    opened: list[Run]
    closed: list[Run]

    def __bool__(self) -> bool:
        return bool(self.records or self.opened or self.closed)


@dataclass(slots=True, eq=False)
class Ledger:
    """Gathers batches."""

    records: list[Run] = field(default_factory=list[Run])
    _opened: dict[RunKey, Run] = field(default_factory=dict[RunKey, Run])
    _closed: dict[RunKey, Run] = field(default_factory=dict[RunKey, Run])
    #: Rows of open runs that were tried to be written, and may be there.
    _tried: set[RunKey] = field(default_factory=set[RunKey])
    #: So many of the records, the first ones, were tried to be written, and may be there.
    _tried_records: int = 0

    def __bool__(self) -> bool:
        return bool(self.records or self._opened or self._closed)

    def add(self, record: Run) -> None:
        """A state of a run."""
        self.records.append(record)

    def extend(self, former: Run, longer: Run) -> Run:
        """A skipped stretch has grown; returns its state by that.

        What nobody has tried to write of it is written once, as the same state. No revision is left
        out: by the first one it is told that a former owner's late word was not known (see
        `store.ghosts`).
        """
        is_untried = len(self.records) > self._tried_records
        if is_untried and self.records[-1] is former:
            self.records[-1] = replace(longer, revision=former.revision)
        else:
            self.records.append(longer)
        return self.records[-1]

    def open(self, record: Run) -> None:
        """The run goes on without its schedule's row."""
        self._opened[record.job_uid, record.run_id] = record

    def close(self, record: Run, *, has_row: bool) -> None:
        """The run has no need of a row any more.

        Args:
            record: its last state.
            has_row: whether it was ever opened, here or by a former owner.
        """
        key = (record.job_uid, record.run_id)
        is_unwritten = self._opened.pop(key, None) is not None and key not in self._tried
        self._tried.discard(key)
        if has_row and not is_unwritten:
            self._closed[key] = record

    def take(self) -> Batch:
        """What is to be written now."""
        batch = Batch(self.records, list(self._opened.values()), list(self._closed.values()))
        self.records, self._opened, self._closed = [], {}, {}
        self._tried_records = 0
        return batch

    def put_back(self, batch: Batch) -> None:
        """A batch that could not be written: it comes again, before what came meanwhile."""
        self.records[:0] = batch.records
        self._tried_records = len(batch.records)
        self._closed = _by_key(batch.closed) | self._closed
        opened = _by_key(batch.opened)
        self._tried |= opened.keys() - self._closed.keys()
        self._opened = {key: run for key, run in opened.items() if key not in self._closed} | (
            self._opened
        )


def _by_key(runs: Iterable[Run]) -> dict[RunKey, Run]:
    return {(run.job_uid, run.run_id): run for run in runs}
