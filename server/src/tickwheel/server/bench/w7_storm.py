"""W7: a storm of one owner, and what another one's lateness is in it: both parts in one run."""

from collections.abc import Callable

from tickwheel.server.bench.bench import Bench, whole_second_after
from tickwheel.server.bench.firing import Fired, fire
from tickwheel.server.bench.jobs import PARENT, once
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.stats import Lateness
from tickwheel.server.bench.topic import new_topic
from tickwheel.server.bench.verdict import Occurrence, judge
from tickwheel.server.bench.workloads import Storm
from tickwheel.v1 import job_pb2

_SUBMIT_PER_S = 3_000
_OTHER = f"{PARENT}-other"


async def storm(work: Storm, bench: Bench) -> Result:
    """Runs W7."""
    due_s = whole_second_after(work.lead_s + work.jobs / _SUBMIT_PER_S + work.calm_s)
    due_ms = int(due_s * 1000)
    count = round(2 * work.calm_s * work.per_s)
    first_ms = due_ms - round(work.calm_s * 1000)
    async with new_topic(bench.cluster.addresses) as topic:
        quiet = await bench.put_in(
            [once(topic.name, first_ms + number * 1000 // work.per_s) for number in range(count)],
            _OTHER,
        )
        stormy = [once(topic.name, due_ms)] * work.jobs
        fired = await fire(bench, topic, stormy, _due, beside=quiet)
    uids = {job.uid for job in quiet}
    times = [Occurrence(job.uid, _due(job)[0]) for job in quiet]
    last_ms = max(
        (seen.append_ms for seen in fired.seen if seen.ce_id.partition("/")[0] not in uids),
        default=due_ms,
    )
    calm = _of(fired, times, lambda at_ms: at_ms < due_ms)
    amid = _of(fired, times, lambda at_ms: due_ms <= at_ms <= last_ms)
    return Result(
        workload="W7",
        title=work.title,
        engine=bench.cluster.engine,
        figures={
            "storm drained s": round((last_ms - due_ms) / 1000, 3),
            **_figures("the other's, calm", calm),
            **_figures("the other's, amid the storm", amid),
            "p50, storm : calm": _ratio(amid, calm, lambda late: late.p50_ms),
            "p99, storm : calm": _ratio(amid, calm, lambda late: late.p99_ms),
            **fired.figures(),
        },
        lateness=fired.verdict.lateness,
        costs=fired.costs(),
    )


def _of(fired: Fired, times: list[Occurrence], is_wanted: Callable[[int], bool]) -> Lateness | None:
    return judge([each for each in times if is_wanted(each.due_ms)], fired.seen).lateness


def _figures(whose: str, late: Lateness | None) -> dict[str, Figure]:
    return {
        f"{whose}: runs": late.count if late else 0,
        f"{whose}: p50 ms": late.p50_ms if late else None,
        f"{whose}: p99 ms": late.p99_ms if late else None,
    }


def _ratio(
    amid: Lateness | None, calm: Lateness | None, of: Callable[[Lateness], float]
) -> float | None:
    """Where a whole millisecond is the least that is told, less than one counts as one."""
    if amid is None or calm is None:
        return None
    return round(max(of(amid), 1) / max(of(calm), 1), 2)


def _due(job: job_pb2.Job) -> tuple[int]:
    return (job.schedule.at.ToMilliseconds(),)
