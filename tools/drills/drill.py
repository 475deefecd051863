"""One drill: load, a fault in the middle of it, and the verdict."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from drills.continuity import Continuity
from drills.evidence import what_is_told
from drills.load import Load, Rates
from drills.targets import FOR_EVER_MS, Seen, Verdict, judge

#: Later than this is not normal, in ms.
NORMAL_MS = 1_000
#: How long the load runs before the fault.
CALM_S = 3.0
#: How long after the last target is due its record is waited for.
PATIENCE_S = 90.0
#: After somebody has woken who had been replaced, all is as usual again within this time, as after
#: a death of a worker.
WAKING_S = 10.0
#: So many of what is missing are asked after, and of errors shown.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Times:
    """When a fault was; Unix milliseconds."""

    #: From here on recovery counts.
    since_ms: int
    #: When a process woke that had been replaced: nothing may come of what it held.
    woken_ms: int = FOR_EVER_MS


class Watching(Protocol):
    """Sees the records of one topic."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def seen(self) -> list[Seen]:
        """All records so far."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """What a drill has shown."""

    name: str
    verdict: Verdict
    #: What Tickwheel itself says of some that are missing.
    told: list[str]
    recovery_s: float
    #: How long after its end nothing came, where that is limited.
    resumed_s: float
    resume_limit_s: float | None
    #: How long it was not as usual after somebody had woken.
    waking_s: float
    limit_s: float
    calls: int
    errors: list[str]
    unseen: bool
    slowest_s: float
    #: What tells that streams or holdings did not stay; None where that is not promised.
    breaks: list[str] | None

    @property
    def holds(self) -> bool:
        """Whether all promises were kept."""
        return (
            self.verdict.holds
            and self.recovery_s <= self.limit_s
            and self.waking_s <= WAKING_S
            and (self.resume_limit_s is None or self.resumed_s <= self.resume_limit_s)
            and not (self.unseen and (self.errors or self.verdict.duplicates))
            and not self.breaks
        )

    def __str__(self) -> str:
        verdict = self.verdict
        wrong = [
            f"{len(found)} {name}, such as {found[0]}"
            for name, found in (
                ("missing", verdict.missing),
                ("early", verdict.early),
                ("with another ce_id", verdict.doubled),
                ("unwanted", verdict.unwanted),
                ("published by who had been replaced", verdict.stale),
            )
            if found
        ]
        if self.recovery_s > self.limit_s:
            wrong.append(f"recovery took more than {self.limit_s:g} s")
        if self.waking_s > WAKING_S:
            wrong.append(f"after the waking it took more than {WAKING_S:g} s")
        resumed = ""
        if self.resume_limit_s is not None:
            resumed = f"resumed after {self.resumed_s:.1f} s, "
            if self.resumed_s > self.resume_limit_s:
                wrong.append(f"nothing was published for more than {self.resume_limit_s:g} s")
        if self.unseen and self.errors:
            wrong.append("clients noticed")
        if self.unseen and verdict.duplicates:
            wrong.append("records are there twice, and nothing failed over")
        stayed = ""
        if self.breaks is not None:
            stayed = "streams and holdings stayed, " if not self.breaks else ""
            wrong.extend(f"streams or holdings did not stay: {each}" for each in self.breaks[:3])
        line = (
            f"{self.name:<20} due {verdict.due:>6,}  published {verdict.published:>6,}  "
            f"missing {len(verdict.missing)}  early {len(verdict.early)}  "
            f"duplicates {verdict.duplicates:>3} (other ce_id {len(verdict.doubled)})  "
            f"unwanted {len(verdict.unwanted)}  stale {len(verdict.stale)}  "
            f"{stayed}{resumed}recovery {self.recovery_s:>4.1f} s "
            f"(after a waking {self.waking_s:.1f} s)  "
            f"calls {self.calls} (errors {len(self.errors)}, slowest {self.slowest_s:.1f} s)"
        )
        noticed = [f"a client noticed: {each}" for each in self.errors[:SHOWN]]
        return (
            line
            + "".join(f"\n  VIOLATED: {each}" for each in wrong)
            + "".join(f"\n  {each}" for each in (*self.told, *noticed))
        )


def run_drill(
    name: str,
    *,
    api: str,
    watch: Callable[[str], Watching],
    act: Callable[[Load], Times],
    limit_s: float,
    resume_limit_s: float | None = None,
    unseen: bool = False,
    rates: Rates,
    continuing: Sequence[Path] | None = None,
) -> Line:
    """Runs one.

    Args:
        name: the drill's.
        api: where clients call.
        watch: sees the records of a topic.
        act: the fault.
        limit_s: how long recovery may take.
        resume_limit_s: how long it may take until anything is published; None: not judged.
        unseen: no retrying client may be left with an error, and no record be there twice.
        rates: the load.
        continuing: logs of the schedulers that are to go on with streams and holdings as they are.
    """
    topic = f"{name}-{uuid.uuid4().hex[:8]}"
    with watch(topic) as watching, Load(api, topic, rates) as load:
        time.sleep(CALM_S)
        continuity = Continuity(continuing) if continuing is not None else None
        times = act(load)
        jobs = load.end()
        until_ms = max(now_ms(), *(job.first_ms + 1 for job in jobs))
        while True:
            verdict = judge(jobs, watching.seen(), until_ms, times.woken_ms)
            if now_ms() >= until_ms + 1_000 and not verdict.missing:
                break
            if now_ms() > until_ms + PATIENCE_S * 1000:
                break
            time.sleep(0.5)
        # Asked while it is all still there.
        told = what_is_told(api, verdict.missing[:SHOWN])
    return Line(
        name=name,
        verdict=verdict,
        told=told,
        recovery_s=verdict.recovery_s(times.since_ms, NORMAL_MS, times.woken_ms),
        waking_s=verdict.recovery_s(times.woken_ms, NORMAL_MS),
        limit_s=limit_s,
        resumed_s=verdict.resumed_s(times.since_ms),
        resume_limit_s=resume_limit_s,
        calls=load.calls,
        errors=load.errors,
        unseen=unseen,
        slowest_s=load.slowest_s,
        breaks=continuity.breaks() if continuity is not None else None,
    )


def now_ms() -> int:
    """The wall clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000
