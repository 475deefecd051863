"""Unfinished runs of COMPLETION_REPORTED jobs, by job: what overlap and limits look at. Pure."""

from collections.abc import Iterator

from tickwheel.server.scheduler.live import LiveRun, Phase
from tickwheel.server.scheduler.overlap import Crowd, may_go


class Unfinished:
    """Active runs (handed out, on the log, or between attempts) and those that wait for them."""

    def __init__(self) -> None:
        self._active: dict[str, dict[str, LiveRun]] = {}
        self._waiting: dict[str, dict[str, LiveRun]] = {}

    def add(self, run: LiveRun) -> None:
        """One more run, in the phase that it has."""
        kept = self._waiting if run.phase is Phase.WAITING else self._active
        kept.setdefault(run.job.uid, {})[run.run_id] = run

    def discard(self, run: LiveRun) -> None:
        """A run that has ended or was taken back; one that is not here is passed over."""
        for kept in (self._active, self._waiting):
            runs = kept.get(run.job.uid)
            if runs is not None and runs.pop(run.run_id, None) is not None and not runs:
                del kept[run.job.uid]

    def crowd(self, uid: str) -> Crowd:
        """The unfinished runs of a job."""
        # What is being taken back has not begun, and its turn is yet to come; a next attempt has.
        active = (
            name
            for name, run in self._active.get(uid, {}).items()
            if run.phase is not Phase.DROPPED or run.attempt > 1
        )
        return Crowd(tuple(active), tuple(self._waiting.get(uid, ())))

    def of(self, uid: str) -> Iterator[LiveRun]:
        """The unfinished runs of a job, active ones first."""
        yield from list(self._active.get(uid, {}).values())
        yield from list(self._waiting.get(uid, {}).values())

    def waiting_jobs(self) -> list[str]:
        """By uid the jobs of which some wait."""
        return list(self._waiting)

    def waiting(self, uid: str) -> list[LiveRun]:
        """Those that wait, in order."""
        return list(self._waiting.get(uid, {}).values())

    def release(self, uid: str) -> list[LiveRun]:
        """Those whose turn has come; they count as active from here on."""
        released: list[LiveRun] = []
        for run in self.waiting(uid):
            if run.phase is not Phase.WAITING:
                # It has ended while it waited; that is being recorded.
                continue
            active = len(self._active.get(uid, ()))
            if not may_go(run.policy, run.job.spec.max_in_flight, active):
                break
            self.discard(run)
            run.phase = Phase.READY
            self.add(run)
            released.append(run)
        return released
