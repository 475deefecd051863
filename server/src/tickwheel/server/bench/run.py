"""Runs workloads one after the other and gathers what came out."""

import os
import platform
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from tickwheel.server.bench.bench import Bench, bench_of
from tickwheel.server.bench.cluster import Lab, NotPossible
from tickwheel.server.bench.named import MAIN
from tickwheel.server.bench.ready import NotReadyError
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.w1_submit import submit
from tickwheel.server.bench.w2_burst import burst, crash
from tickwheel.server.bench.w2_handlers import in_handlers
from tickwheel.server.bench.w3_steady import steady
from tickwheel.server.bench.w4_recurring import recurring
from tickwheel.server.bench.w6_standing import standing
from tickwheel.server.bench.w7_storm import storm
from tickwheel.server.bench.workloads import (
    NAMES,
    Burst,
    Crash,
    Recurring,
    Standing,
    Steady,
    Storm,
    Submit,
    Workload,
    name_of,
)


def choose(names: Iterable[str], workloads: Sequence[Workload]) -> list[Workload]:
    """Those of the workloads whose names (`W1` to `W7`) are given; all where none is.

    Raises:
        ValueError: there is no such workload.
    """
    wanted = [name.upper() for name in names]
    for name in wanted:
        if name not in NAMES:
            raise ValueError(f"there is no workload {name}: they are {', '.join(NAMES)}")
    return [each for each in workloads if not wanted or name_of(each) in wanted]


async def run_on(
    lab: Lab, workloads: Sequence[Workload], say: Callable[[str], None]
) -> list[Result]:
    """Runs the workloads on clusters of the lab, all but W6 on one and the same."""
    results: list[Result] = []
    short = [each for each in workloads if not isinstance(each, Standing)]
    if short:
        async with lab.open(MAIN) as cluster, bench_of(cluster, say) as bench:
            for work in short:
                say(f"{lab.engine}: {name_of(work)} {work.title}")
                results.append(await guarded(work, lab.engine, _run(work, bench)))
    for work in workloads:
        if isinstance(work, Standing):
            say(f"{lab.engine}: {name_of(work)} {work.title}")
            results.append(await guarded(work, lab.engine, standing(work, lab, say)))
    return results


async def _run(work: Submit | Burst | Steady | Recurring | Crash | Storm, bench: Bench) -> Result:
    match work:
        case Submit():
            return await submit(work, bench)
        case Burst(handlers=""):
            return await burst(work, bench)
        case Burst():
            return await in_handlers(work, bench)
        case Steady():
            return await steady(work, bench)
        case Recurring():
            return await recurring(work, bench)
        case Crash():
            return await crash(work, bench)
        case Storm():
            return await storm(work, bench)


async def guarded(
    work: Workload, engine: str, running: Awaitable[Result], *, peer: bool = False
) -> Result:
    """The result; one without figures where there is none. The others are to be had all the same.

    A part that does not start any more ends the whole (NotReadyError).
    """
    try:
        return await running
    except NotPossible as why:
        note, failed = f"left out: {why}", False
    except NotReadyError:
        raise
    except Exception as error:
        note, failed = f"failed: {type(error).__name__}: {error}", True
    return Result(
        workload=name_of(work),
        title=work.title,
        engine=engine,
        peer=peer,
        notes=(note,),
        failed=failed,
    )


def circumstances() -> dict[str, Any]:
    """What the figures have to be seen with."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
