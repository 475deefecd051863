"""Runs simulations, each in a process of its own, some at a time."""

import os
import pickle
import select
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator

from simulator.plan import Plan
from simulator.world import Report, World

#: Changes what a World is made of before it runs, such as a defect put in on purpose.
Prepare = Callable[[], None]

_kept: list[World] = []


def run_plan(plan: Plan, *, verbose: bool = False, prepare: Prepare | None = None) -> Report:
    """Runs a plan in a child, so that neither it nor this process leaves anything to the other."""
    ((_, report),) = run_plans([plan], 1, verbose=verbose, prepare=prepare)
    return report


def run_plans(
    plans: Iterable[Plan], width: int, *, verbose: bool = False, prepare: Prepare | None = None
) -> Iterator[tuple[Plan, Report]]:
    """Runs plans, `width` at a time; the reports come as they are done.

    Args:
        plans: what to run.
        width: how many processes.
        verbose: whether the reports have the trace.
        prepare: is called in each child first.
    """
    todo = iter(plans)
    under_way: dict[int, tuple[int, bytearray, Plan]] = {}
    more = True
    while more or under_way:
        while more and len(under_way) < width:
            plan = next(todo, None)
            if plan is None:
                more = False
                break
            pid, pipe = _start(plan, verbose, prepare)
            under_way[pipe] = (pid, bytearray(), plan)
        if not under_way:
            break
        for pipe in select.select(list(under_way), [], [])[0]:
            pid, data, plan = under_way[pipe]
            chunk = os.read(pipe, 1 << 20)
            if chunk:
                data += chunk
                continue
            os.close(pipe)
            del under_way[pipe]
            os.waitpid(pid, 0)
            yield plan, _report(plan, bytes(data))


def warm_up(plan: Plan) -> None:
    """Runs a plan here, so that no child begins with an interpreter that is cold: a sixth is saved.

    It leaves nothing that changes what comes after (the digests stay), but dead processes that may
    never be tidied up: the program has to end by `os._exit`.
    """
    world = World(plan)
    world.run()
    _kept.append(world)


def check_hash_seed() -> None:
    """Starts this program anew where the order of sets of strings is left to chance."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _start(plan: Plan, verbose: bool, prepare: Prepare | None) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        os.close(reading)
        if prepare is not None:
            prepare()
        report = World(plan, verbose=verbose).run()
        data = pickle.dumps(report)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)
        status = 0
    except BaseException as error:
        sys.stderr.write(f"seed {plan.seed}: {type(error).__name__}: {error}\n")
        traceback.print_exc()
    finally:
        # Nothing of this process is tidied up: what its dead processes would do then must not be.
        sys.stderr.flush()
        os._exit(status)


def _report(plan: Plan, data: bytes) -> Report:
    if data:
        return pickle.loads(data)
    report = Report(plan.seed, "")
    report.defects.append("the simulation itself has failed; see above")
    return report
