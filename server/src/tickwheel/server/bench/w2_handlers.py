"""W2 until the last run has been started in an executor's handler."""

from tickwheel.server.bench.bench import Bench
from tickwheel.server.bench.comparison import HANDLED
from tickwheel.server.bench.executor_process import NAME, executor_on
from tickwheel.server.bench.executor_program import CONCURRENCY
from tickwheel.server.bench.measure import Cost
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.topic import new_topic
from tickwheel.server.bench.verdict import Verdict, judge
from tickwheel.server.bench.w2_burst import drained, fire_at_once, lead_note
from tickwheel.server.bench.workloads import Burst


async def in_handlers(work: Burst, bench: Bench) -> Result:
    """Runs W2 with an executor beside it."""
    async with (
        new_topic(bench.cluster.addresses) as topic,
        executor_on(bench, topic) as handled,
    ):
        due_s, fired = await fire_at_once(work, bench, handled)
        started = judge(fired.expected, handled.starts())
    costs = fired.costs()
    return Result(
        workload="W2",
        title=work.title,
        engine=bench.cluster.engine,
        figures={
            **handler_figures(started, due_s),
            **drained(fired.verdict, due_s),
            **fired.figures(),
            "of it the executor": _of_executor(costs),
        },
        lateness=started.lateness,
        costs=costs,
        notes=(
            f"late is the handler's start by its own clock; one executor, {CONCURRENCY:,} at once",
            *lead_note(fired.lead_s, work.lead_s),
        ),
    )


def handler_figures(started: Verdict, due_s: float) -> dict[str, Figure]:
    """How long it took from the due instant until the last handler was started.

    Args:
        started: the handlers' starts in place of the log's stamps.
        due_s: the instant, as `time.time()` counts.
    """
    took = drained(started, due_s)
    return {
        HANDLED: took["drained s"],
        "handlers/s": took["runs/s"],
        "handlers missing": started.missing,
        "handlers twice": started.twice,
        "handlers early": started.lateness.early if started.lateness else 0,
    }


def _of_executor(costs: tuple[Cost, ...]) -> float | None:
    return next((each.cpu_s_per_1000 for each in costs if each.process == NAME), None)
