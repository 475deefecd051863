"""Plans in which a defect that was put in on purpose shows, with whichever seed.

Some defects show only where several things come together, which few seeds draw. Their plans have
the workload of a seed, and in place of its faults a script of their own, which harms nobody where
there is no defect.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from simulator.plan import Fault, Plan, Step

#: Scripts begin twice: what a worker holds at one instant may be little. In ms.
_BEGIN_MS = (8_000, 25_000)
#: So long that others have taken what a scheduler owned, and some of it has come due since.
_LASTS_MS = 15_000
#: Nearly as slow as makes them fail: what is written has its place by a clock of long ago.
_SLOW = {"how": "slow", "slow_ms": 3_900}


def provoke(plan: Plan, defect: str) -> Plan:
    """The plan in which a defect shows; the one that was drawn where it shows in any."""
    script = _SCRIPTS.get(defect)
    return plan if script is None else script(plan)


def _ghost(plan: Plan) -> Plan:
    """A scheduler has no store, and others take what it owned; one worker hears of that from none.

    It serves that worker as before, unless it looks at its lease.
    """
    plan = replace(plan, schedulers=max(2, plan.schedulers))
    return _with(
        plan,
        (
            fault
            for at_ms in _BEGIN_MS
            for fault in (
                Fault(at_ms, "store", "s0", _LASTS_MS, {"how": "down"}),
                *(_cut(at_ms, f"s{other}>w0", _LASTS_MS) for other in range(1, plan.schedulers)),
            )
        ),
    )


def _sleepers(plan: Plan) -> Plan:
    """All workers sleep, all schedulers die, and workers wake when others have taken over."""
    return _with(
        plan,
        (
            fault
            for at_ms in _BEGIN_MS
            for fault in (
                *(Fault(at_ms, "stop", f"w{one}", 13_000) for one in range(plan.workers)),
                *(Fault(at_ms + 50, "kill", f"s{one}", 3_000) for one in range(plan.schedulers)),
            )
        ),
    )


def _slow_writes(plan: Plan) -> Plan:
    """Jobs are created while the apis' writes take up to seconds, and they can tell nobody."""
    created = (
        Step(
            3_000 + 250 * number,
            "create",
            f"slow{number}",
            {"schedule": {"every": 5_000}, "topic": "t1", "payload": f"slow{number}"},
        )
        for number in range(80)
    )
    steps = sorted((*plan.steps, *created), key=lambda step: step.at_ms)
    return _with(
        replace(plan, steps=tuple(steps)),
        (
            fault
            for api in range(plan.apis)
            for fault in (
                Fault(500, "store", f"a{api}", 30_000, _SLOW),
                *(_cut(500, f"a{api}>s{one}", plan.active_ms) for one in range(plan.schedulers)),
            )
        ),
    )


def _cut(at_ms: int, way: str, lasts_ms: int) -> Fault:
    return Fault(at_ms, "cut", way, lasts_ms, {"both": True})


def _with(plan: Plan, faults: Iterable[Fault]) -> Plan:
    return replace(plan, faults=tuple(sorted(faults, key=lambda fault: fault.at_ms)))


_SCRIPTS: dict[str, Callable[[Plan], Plan]] = {
    "no-lease-check": _ghost,
    "no-permission": _sleepers,
    "no-second-look": _slow_writes,
}
