"""W4: many schedules with one period."""

from datetime import timedelta

from tickwheel.server.bench.bench import Bench, whole_second_after
from tickwheel.server.bench.firing import fire
from tickwheel.server.bench.jobs import every
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.topic import new_topic
from tickwheel.server.bench.workloads import Recurring
from tickwheel.v1 import job_pb2

_SUBMIT_PER_S = 2_000


async def recurring(work: Recurring, bench: Bench) -> Result:
    """Runs W4."""
    period_ms = work.period_s * 1000
    start_ms = int(whole_second_after(work.lead_s + work.schedules / _SUBMIT_PER_S) * 1000)
    end_ms = start_ms + work.seconds // work.period_s * period_ms
    apart_ms = 0 if work.together else period_ms / work.schedules

    def due(job: job_pb2.Job) -> range:
        return range(job.schedule.anchor.ToMilliseconds(), end_ms, period_ms)

    async with new_topic(bench.cluster.addresses) as topic:
        jobs = [
            every(
                topic.name,
                timedelta(seconds=work.period_s),
                anchor_ms=start_ms + int(number * apart_ms),
                start_ms=start_ms,
                end_ms=end_ms,
            )
            for number in range(work.schedules)
        ]
        fired = await fire(bench, topic, jobs, due)
    late = fired.verdict.lateness
    return Result(
        workload="W4",
        title=work.title,
        engine=bench.cluster.engine,
        figures={
            "p50 ms": late.p50_ms if late else None,
            "p99 ms": late.p99_ms if late else None,
            "max ms": late.max_ms if late else None,
            **fired.figures(),
        },
        lateness=late,
        costs=fired.costs(),
    )
