"""W3: runs at a steady rate, and beside them what this machine can do without Tickwheel."""

from tickwheel.server.bench.baseline import bare
from tickwheel.server.bench.bench import Bench, whole_second_after
from tickwheel.server.bench.firing import Fired, fire
from tickwheel.server.bench.jobs import once
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.stats import Lateness
from tickwheel.server.bench.topic import new_topic
from tickwheel.server.bench.workloads import Steady
from tickwheel.v1 import job_pb2

_SUBMIT_PER_S = 3_000
_BARE_S = 20.0
_LATE_NOTE = (
    "submission had not ended when the first were due; what is created after its instant is due at "
    "once, and counts as missing and foreign"
)


async def fire_steadily(work: Steady, bench: Bench) -> Fired:
    """One-off jobs at a steady rate, to a topic of their own."""
    count = int(work.per_s * work.seconds)
    start_ms = int(whole_second_after(work.lead_s + count / _SUBMIT_PER_S) * 1000)
    async with new_topic(bench.cluster.addresses) as topic:
        jobs = [once(topic.name, start_ms + number * 1000 // work.per_s) for number in range(count)]
        return await fire(bench, topic, jobs, _due)


async def steady(work: Steady, bench: Bench) -> Result:
    """Runs W3."""
    fired = await fire_steadily(work, bench)
    alone = await bare(bench.cluster.addresses, work.per_s, min(work.seconds, _BARE_S))
    late = fired.verdict.lateness
    return Result(
        workload="W3",
        title=work.title,
        engine=bench.cluster.engine,
        figures={
            **late_figures(late),
            "bare p99 ms": round(alone.p99_ms, 1),
            **fired.figures(),
        },
        lateness=late,
        costs=fired.costs(),
        notes=() if fired.lead_s > 0 else (_LATE_NOTE,),
    )


def late_figures(late: Lateness | None) -> dict[str, Figure]:
    """How late those were that came."""
    return {
        "p50 ms": late.p50_ms if late else None,
        "p99 ms": late.p99_ms if late else None,
        "p99.9 ms": late.p999_ms if late else None,
    }


def _due(job: job_pb2.Job) -> tuple[int]:
    return (job.schedule.at.ToMilliseconds(),)
