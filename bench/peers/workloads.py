"""W1 to W3 on a peer, as they are on Tickwheel: due instants, payloads, clients and judgement."""

import asyncio
import time
from collections.abc import Sequence

from bench.peers.fleet import Fleet
from bench.peers.port import Order, Receipt
from tickwheel.server.bench.bench import AHEAD_S, PATIENCE_S, SETTLE_S, until, whole_second_after
from tickwheel.server.bench.firing import Fired
from tickwheel.server.bench.measure import BENCH, Bill, Reading, read_processes
from tickwheel.server.bench.result import Figure, Result
from tickwheel.server.bench.verdict import Occurrence, compare
from tickwheel.server.bench.w2_burst import drained
from tickwheel.server.bench.w3_steady import late_figures
from tickwheel.server.bench.workloads import Burst, Steady, Submit

SUBMITTER = "submitter"
_WARM_UP = 64
_HOUR_S = 3_600
_BATCH = 1_000
_IN_FLIGHT = 4
#: Jobs a second that the slowest peer takes in on a busy machine; sets when they are due.
_SUBMIT_PER_S = 300
_SUBMIT_IN_BATCHES_PER_S = 3_000
#: River looks ahead for scheduled jobs every 5 s: a burst is not to be due before it has.
_LEAD_S = 12.0
_POLL_S = 0.05


async def submit(work: Submit, fleet: Fleet) -> Result:
    """W1. The workers run beside it, as Tickwheel's parts do."""
    begin = _reading(fleet)
    receipt = await fleet.submit(
        Order(
            count=work.jobs,
            batch=work.batch,
            clients=min(work.clients, fleet.peer.clients),
            warm_up=-(-min(_WARM_UP, work.jobs) // work.batch) * work.batch,
            due_us=int((time.time() + _HOUR_S) * 1e6),
            apart_us=24 * _HOUR_S * 1e6 / work.jobs if work.due == "24h" else 0.0,
        )
    )
    bill = _submitted(begin, _reading(fleet), receipt)
    return Result(
        workload="W1",
        title=work.alike,
        alike=work.alike,
        engine=fleet.peer.engine,
        peer=True,
        figures={
            "jobs": work.jobs,
            "jobs/s": round(work.jobs / receipt.seconds, 1),
            "request p50 ms": round(receipt.p50_ms, 2),
            "request p99 ms": round(receipt.p99_ms, 2),
            **_per_1000((bill,), work.jobs),
        },
        costs=bill.costs(work.jobs),
    )


async def burst(work: Burst, fleet: Fleet) -> Result:
    """W2."""
    lead_s = max(work.lead_s, _LEAD_S)
    due_s = whole_second_after(lead_s + work.jobs / _submit_per_s(fleet))
    fired = await _fire(fleet, [due_s] * work.jobs, due_s, 0.0, restart=work.restart)
    return Result(
        workload="W2",
        title=work.title,
        engine=fleet.peer.engine,
        peer=True,
        figures=drained(fired.verdict, due_s) | _figures(fired),
        lateness=fired.verdict.lateness,
        costs=fired.costs(),
    )


async def steady(work: Steady, fleet: Fleet) -> Result:
    """W3."""
    count = int(work.per_s * work.seconds)
    start_s = whole_second_after(max(work.lead_s, _LEAD_S) + count / _submit_per_s(fleet))
    due_s = [start_s + number / work.per_s for number in range(count)]
    fired = await _fire(fleet, due_s, start_s, 1e6 / work.per_s, restart=False)
    return Result(
        workload="W3",
        title=work.title,
        engine=fleet.peer.engine,
        peer=True,
        figures=late_figures(fired.verdict.lateness) | _figures(fired),
        lateness=fired.verdict.lateness,
        costs=fired.costs(),
    )


async def _fire(
    fleet: Fleet, due_s: Sequence[float], first_s: float, apart_us: float, *, restart: bool
) -> Fired:
    """Hands the jobs in, waits for their starts, and judges them."""
    batches = fleet.peer.batches
    begin = _reading(fleet)
    receipt = await fleet.submit(
        Order(
            count=len(due_s),
            batch=_BATCH if batches else 1,
            clients=min(_IN_FLIGHT, fleet.peer.clients),
            due_us=int(first_s * 1e6),
            apart_us=apart_us,
        )
    )
    submitted_s = time.time()
    submitting = _submitted(begin, _reading(fleet), receipt)
    if restart:
        await fleet.restart()
    await until(first_s - AHEAD_S)
    begin = _reading(fleet)
    await until(due_s[-1])
    while fleet.started() < len(due_s) and time.time() < due_s[-1] + PATIENCE_S:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    await asyncio.sleep(SETTLE_S)
    firing = Bill()
    firing.add(begin, _reading(fleet))
    expected = [Occurrence(str(number), int(at * 1000)) for number, at in enumerate(due_s)]
    came = [(expected[each.number], each.at_us // 1000) for each in fleet.stamps()]
    return Fired(
        expected=expected,
        verdict=compare(expected, came),
        lead_s=first_s - submitted_s,
        submit=submitting,
        fire=firing,
        repeated=0,
        seen=(),
    )


def _figures(fired: Fired) -> dict[str, Figure]:
    shared = fired.figures()
    for ours_alone in ("foreign", "submissions repeated", "statements per run", "CPU-s per 1,000"):
        del shared[ours_alone]
    return shared | _per_1000((fired.submit, fired.fire), fired.verdict.expected)


def _per_1000(bills: Sequence[Bill], jobs: int) -> dict[str, Figure]:
    """CPU seconds of the peer's own processes, and of its server, for a thousand."""
    own = sum(bill.ours_cpu_s for bill in bills)
    server = sum(
        spent
        for bill in bills
        for name, spent in bill.cpu_s.items()
        if not bill.ours[name] and name != BENCH
    )
    return {
        "CPU-s per 1,000": round(own / jobs * 1000, 4),
        "of its server": round(server / jobs * 1000, 4),
    }


def _reading(fleet: Fleet) -> Reading:
    return read_processes(fleet.parts(), None)


def _submitted(begin: Reading, end: Reading, receipt: Receipt) -> Bill:
    """What handing in took: the submitting program has ended, and tells by itself."""
    bill = Bill()
    bill.add(begin, end)
    bill.cpu_s[SUBMITTER] = receipt.cpu_s
    bill.peak_mib[SUBMITTER] = receipt.peak_mib
    bill.ours[SUBMITTER] = True
    return bill


def _submit_per_s(fleet: Fleet) -> int:
    return _SUBMIT_IN_BATCHES_PER_S if fleet.peer.batches else _SUBMIT_PER_S
