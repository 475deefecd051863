"""What is known of occurrences from former owners: begun, skipped, or published as workers say."""

from tickwheel.server.domain.run import Run


class Recovered:
    """What the cursors of one segment find done, or begun, when they come to an occurrence."""

    def __init__(self) -> None:
        #: By job and run id what was recorded as due and no more than that.
        self._begun: dict[str, dict[str, Run]] = {}
        #: Skipped stretches since the position, by job and backfill.
        self._skipped: dict[tuple[str, str], list[tuple[int, int]]] = {}
        #: Runs (job, run id) of which workers have an outcome that is not taken in yet.
        self.foretold: frozenset[tuple[str, str]] = frozenset()

    def remember(self, record: Run) -> None:
        """A run that is recorded as due and no more than that."""
        self._begun.setdefault(record.job_uid, {})[record.run_id] = record

    def has_begun(self, uid: str, run_id: str) -> bool:
        """Whether a run is recorded as due and no more than that."""
        return run_id in self._begun.get(uid, {})

    def begun_of(self, uid: str) -> list[Run]:
        """What is recorded of a job's runs as due and no more than that."""
        return list(self._begun.get(uid, {}).values())

    def take_begun(self, uid: str, run_id: str) -> Run | None:
        """What is recorded of a run as due and no more than that; it is told once."""
        of_job = self._begun.get(uid)
        record = of_job.pop(run_id, None) if of_job else None
        if of_job is not None and not of_job:
            del self._begun[uid]
        return record

    def remember_skip(self, record: Run) -> None:
        """A stretch that a former owner has recorded as skipped."""
        which = (record.job_uid, record.backfill_id)
        stretch = (record.first_schedule_ms, record.last_schedule_ms)
        self._skipped.setdefault(which, []).append(stretch)

    def is_skipped(self, uid: str, backfill_id: str, nominal_ms: int) -> bool:
        """Whether a former owner has recorded an occurrence as skipped."""
        skipped = self._skipped.get((uid, backfill_id), ())
        return any(first <= nominal_ms <= last for first, last in skipped)

    def forget_before(self, position_ms: int) -> None:
        """Lets go of stretches that nobody comes to again who reads from a position on."""
        self._skipped = {
            which: kept
            for which, stretches in self._skipped.items()
            if (kept := [stretch for stretch in stretches if stretch[1] >= position_ms])
        }
