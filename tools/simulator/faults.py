"""What goes wrong, and how it goes right again."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.cluster import Cluster, Member
from simulator.loop import SimLoop
from simulator.plan import Fault
from simulator.process import SimProcess, State
from simulator.trace import Trace
from tickwheel.server.domain.occurrence import ScheduleEntry

#: Everything heals when the active time is over; what is dead is started again.
_RESTART_MS = 1_000


@dataclass(slots=True)
class Faults:
    """Carries out the faults of a plan."""

    loop: SimLoop
    cluster: Cluster
    trace: Trace
    #: When each fault began and when it was over, microseconds since the beginning.
    spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    #: Faults that met somebody whom they could harm.
    injected: int = 0

    def begin(self, faults: tuple[Fault, ...]) -> None:
        """Has all faults happen, each at its time."""
        for fault in faults:
            self.loop.call_in_us(fault.at_ms * 1000, self._inject, fault, context=self.loop.world)

    def _inject(self, fault: Fault) -> None:
        self.trace.note("fault", fault.kind, fault.target, fault.lasts_ms, dict(fault.args))
        act: Callable[[Fault], bool] = getattr(self, f"_{fault.kind}")
        if act(fault):
            self.injected += 1
            now_us = self.loop.now_us
            self.spans.append((now_us, now_us + fault.lasts_ms * 1000))

    def _later(self, delay_ms: int, work: Callable[..., None], *args: object) -> None:
        self.loop.call_in_us(delay_ms * 1000, work, *args, context=self.loop.world)

    def heal(self) -> None:
        """Ends what is still wrong."""
        for member in self.cluster.members.values():
            member.host.skew_us = 0
            if member.process is not None:
                member.process.resume()
            self.cluster.start(member)
        for weather in self.cluster.network.weathers():
            weather.cut_until_us = weather.slow_until_us = 0
        self.cluster.cells.segments.away.clear()
        for member in (None, *self.cluster.members.values()):
            store = self.cluster.store if member is None else member.store
            log = self.cluster.log_weather if member is None else member.log
            store.down_until_us = store.shaky_until_us = store.slow_until_us = 0
            log.down_until_us = log.shaky_until_us = log.slow_until_us = 0

    # -- processes ---------------------------------------------------------------------------

    def _kill(self, fault: Fault) -> bool:
        """`kill -9`, between any two steps; started again after a while."""
        member = self.cluster.members[fault.target]
        if not member.alive or member.process is None:
            return False
        member.process.kill_in_steps(int(fault.args.get("steps", 0)))
        # It may be idle; then it is killed as it is.
        self._later(50, member.process.kill)
        self._later(50 + max(fault.lasts_ms, _RESTART_MS), self.cluster.start, member)
        return True

    def _end(self, fault: Fault) -> bool:
        """A clean stop, and a start after a while."""
        member = self.cluster.members[fault.target]
        if not member.alive or member.process is None:
            return False
        process = member.process
        if member.scheduler is not None:
            process.spawn(member.scheduler.stop())
        elif member.worker is not None:
            process.call_in_us(0, member.worker.stop)
        else:
            process.kill()
        # Whoever does not stop in time is killed, as a supervisor would.
        self._later(15_000, process.kill)
        self._later(200 + fault.lasts_ms, self._start_when_over, member, process)
        return True

    def _start_when_over(self, member: Member, process: SimProcess) -> None:
        if process.alive:
            self._later(200, self._start_when_over, member, process)
        else:
            self.cluster.start(member)

    def _stop(self, fault: Fault) -> bool:
        """SIGSTOP, and SIGCONT after a while."""
        process = self.cluster.members[fault.target].process
        if process is None or process.state is not State.RUNNING:
            return False
        process.stop()
        self._later(fault.lasts_ms, process.resume)
        return True

    def _suspend(self, fault: Fault) -> bool:
        """The whole machine sleeps: its timers stand still, its clocks go on."""
        member = self.cluster.members[fault.target]
        process = member.process
        if process is None or process.state is not State.RUNNING:
            return False
        process.stop()
        self._later(fault.lasts_ms, self._waken, member, process, fault.lasts_ms)
        return True

    def _waken(self, member: Member, process: SimProcess, slept_ms: int) -> None:
        # Else all was healed meanwhile, or it was killed in its sleep.
        if process.state is State.STOPPED:
            member.host.asleep_us += slept_ms * 1000
            process.resume()

    # -- clocks ------------------------------------------------------------------------------

    def _skew(self, fault: Fault) -> bool:
        """A wall clock is stepped, and stepped back after a while."""
        host = self.cluster.members[fault.target].host
        by_us = int(fault.args["by_ms"]) * 1000
        host.skew_us += by_us
        self._later(fault.lasts_ms, self._unskew, fault.target, by_us)
        return True

    def _unskew(self, name: str, by_us: int) -> None:
        host = self.cluster.members[name].host
        # It may have been set right meanwhile.
        host.skew_us -= by_us if host.skew_us else 0

    # -- network -----------------------------------------------------------------------------

    def _cut(self, fault: Fault) -> bool:
        """Nothing gets through from one host to another; `both` cuts the way back as well."""
        source, target = fault.target.split(">")
        until_us = self.loop.now_us + fault.lasts_ms * 1000
        ways = [(source, target)]
        if fault.args.get("both"):
            ways.append((target, source))
        for way in ways:
            self.cluster.network.weather(*way).cut_until_us = until_us
        return True

    def _isolate(self, fault: Fault) -> bool:
        """One host is cut off from all others, and from store and log."""
        until_us = self.loop.now_us + fault.lasts_ms * 1000
        for other in [*self.cluster.members, "c0"]:
            if other != fault.target:
                self.cluster.network.weather(fault.target, other).cut_until_us = until_us
                self.cluster.network.weather(other, fault.target).cut_until_us = until_us
        member = self.cluster.members[fault.target]
        member.store.down_until_us = member.log.down_until_us = until_us
        return True

    def _slow_way(self, fault: Fault) -> bool:
        """A link is slow, and loses single calls."""
        source, target = fault.target.split(">")
        for way in ((source, target), (target, source)):
            weather = self.cluster.network.weather(*way)
            weather.slow_until_us = self.loop.now_us + fault.lasts_ms * 1000
            weather.slow_us = int(fault.args["slow_ms"]) * 1000
            weather.loss = float(fault.args["loss"])
        return True

    # -- store and log -----------------------------------------------------------------------

    def _store(self, fault: Fault) -> bool:
        """The store, for one process or for all, is away, unreliable, or slow."""
        member = self.cluster.members.get(fault.target)
        weather = self.cluster.store if member is None else member.store
        until_us = self.loop.now_us + fault.lasts_ms * 1000
        match fault.args["how"]:
            case "down":
                weather.down_until_us = until_us
            case "shaky":
                weather.shaky_until_us = until_us
                weather.failure = float(fault.args["failure"])
                weather.late_us = int(fault.args["late_ms"]) * 1000
            case _:
                weather.slow_until_us = until_us
                weather.slow_us = int(fault.args["slow_ms"]) * 1000
        return True

    def _segments(self, fault: Fault) -> bool:
        """The partitions of some segments are away, for all."""
        away = self.cluster.cells.segments.away
        some = frozenset(map(int, fault.args["segments"]))
        away.append(some)
        self._later(fault.lasts_ms, self._bring_back, some)
        return True

    def _bring_back(self, some: frozenset[int]) -> None:
        away = self.cluster.cells.segments.away
        # All may have been healed meanwhile.
        if some in away:
            away.remove(some)

    def _lose_rows(self, fault: Fault) -> bool:
        """Somebody deletes the schedule's rows of jobs, by the first part of their ids."""
        cells = self.cluster.cells
        found: list[ScheduleEntry] = []
        for segment in cells.segments:
            for _, _, entry in segment.entries.between((0,), (1 << 62,)):
                row = cells.jobs.get(entry.key)
                if row is not None and row.job.job_id.startswith(fault.target):
                    found.append(entry)
        for entry in found:
            entries = cells.segments[entry.segment].entries
            written_us = next(
                at for key, at, _ in entries.between((0,), (1 << 62,)) if key == entry.place
            )
            entries.put(entry.place, written_us, None)
        self.cluster.rows_lost += len(found)
        return bool(found)

    def _log(self, fault: Fault) -> bool:
        """The same for the log."""
        member = self.cluster.members.get(fault.target)
        weather = self.cluster.log_weather if member is None else member.log
        until_us = self.loop.now_us + fault.lasts_ms * 1000
        match fault.args["how"]:
            case "down":
                weather.down_until_us = until_us
            case "shaky":
                weather.shaky_until_us = until_us
                weather.failure = float(fault.args["failure"])
                weather.late_us = int(fault.args["late_ms"]) * 1000
            case _:
                weather.slow_until_us = until_us
                weather.slow_us = int(fault.args["slow_ms"]) * 1000
        return True
