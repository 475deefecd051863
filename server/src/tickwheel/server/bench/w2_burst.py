"""W2 and W5: many jobs due at one instant, and a process killed amid them."""

import asyncio

from tickwheel.server.bench.bench import Bench, whole_second_after
from tickwheel.server.bench.firing import Fired, fire
from tickwheel.server.bench.jobs import once
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.topic import Topic, new_topic
from tickwheel.server.bench.verdict import Verdict
from tickwheel.server.bench.workloads import Burst, Crash
from tickwheel.v1 import job_pb2

#: Jobs a second that a slow machine still takes in; sets when they are due.
_SUBMIT_PER_S = 3_000


async def burst(work: Burst, bench: Bench) -> Result:
    """Runs W2."""
    async with new_topic(bench.cluster.addresses) as topic:
        due_s, fired = await fire_at_once(work, bench, topic)
    return Result(
        workload="W2",
        title=work.title,
        engine=bench.cluster.engine,
        figures=drained(fired.verdict, due_s) | fired.figures(),
        lateness=fired.verdict.lateness,
        costs=fired.costs(),
        notes=lead_note(fired.lead_s, work.lead_s),
    )


async def fire_at_once(work: Burst, bench: Bench, topic: Topic) -> tuple[float, Fired]:
    """The jobs of W2, to a topic; when they were due, as `time.time()` counts, and what came."""

    async def restart() -> None:
        names = bench.cluster.named("scheduler")
        await bench.cluster.stop(*names)
        await bench.cluster.start(*names)

    due_s = whole_second_after(work.lead_s + work.jobs / _SUBMIT_PER_S)
    job = once(topic.name, int(due_s * 1000))
    if work.handlers == "reported":
        job.completion = job_pb2.COMPLETION_REPORTED
    between = restart if work.restart and bench.cluster.disposable else None
    return due_s, await fire(bench, topic, [job] * work.jobs, _due, between=between)


async def crash(work: Crash, bench: Bench) -> Result:
    """Runs W5."""
    victim = bench.cluster.named(work.victim)[0]

    async def kill() -> None:
        await asyncio.sleep(work.after_ms / 1000)
        await bench.cluster.kill(victim)
        if len(bench.cluster.named(work.victim)) > 1:
            await asyncio.sleep(work.absent_s)
        await bench.cluster.start(victim)

    due_s = whole_second_after(work.lead_s + work.jobs / _SUBMIT_PER_S)
    async with new_topic(bench.cluster.addresses) as topic:
        jobs = [once(topic.name, int(due_s * 1000))] * work.jobs
        fired = await fire(bench, topic, jobs, _due, amid=kill)
    return Result(
        workload="W5",
        title=work.title,
        engine=bench.cluster.engine,
        figures=drained(fired.verdict, due_s) | fired.figures(),
        lateness=fired.verdict.lateness,
        costs=fired.costs(),
    )


def _due(job: job_pb2.Job) -> tuple[int]:
    return (job.schedule.at.ToMilliseconds(),)


def drained(verdict: Verdict, due_s: float) -> dict[str, Figure]:
    """How long it took from the due instant until the last had come, and how many a second."""
    if verdict.last_ms is None:
        return {"drained s": None, "runs/s": None}
    took_s = max(verdict.last_ms / 1000 - due_s, 0.001)
    came = verdict.expected - verdict.missing
    return {"drained s": round(took_s, 3), "runs/s": round(came / took_s)}


def lead_note(lead_s: float, wanted_s: float) -> tuple[str, ...]:
    """What a reader has to know where the submission took longer than it should."""
    if lead_s >= wanted_s:
        return ()
    return (f"submitted only {lead_s:.1f} s ahead, not {wanted_s:g} s: the machine was busy",)
