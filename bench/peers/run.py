"""Runs the workloads that make sense on peers, one peer after the other."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from background.wait import NotReadyError
from bootstrap.command import ToolMissingError

from bench.peers.celery_peer import Celery
from bench.peers.fleet import fleet_of
from bench.peers.port import Peer, Program
from bench.peers.procrastinate_peer import Procrastinate
from bench.peers.river_peer import River
from bench.peers.workloads import burst, steady, submit
from tickwheel.server.bench.cluster import NotPossible
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.run import guarded
from tickwheel.server.bench.workloads import Burst, Steady, Submit, Workload, name_of

PEERS: tuple[Peer, ...] = (Celery(), Procrastinate(), River())
ALL = "all"


def choose(names: str) -> list[Peer]:
    """The peers of a comma-separated list; `all` are all, and none of an empty one.

    Raises:
        ValueError: there is no such peer.
    """
    known = {peer.name: peer for peer in PEERS}
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known and name != ALL:
            raise ValueError(f"there is no peer {name}: they are {', '.join([ALL, *known])}")
    return [peer for peer in PEERS if ALL in wanted or peer.name in wanted]


async def run_peers(
    peers: Iterable[Peer], workloads: Sequence[Workload], say: Callable[[str], None]
) -> list[Result]:
    """Runs the workloads on the peers, each on an empty server; the results name them as peers."""
    return [result for peer in peers for result in await _run_peer(peer, workloads, say)]


async def _run_peer(
    peer: Peer, workloads: Sequence[Workload], say: Callable[[str], None]
) -> list[Result]:
    suitable = [work for each in workloads if (work := suited(each, peer)) is not None]
    program: Program | None = None
    missing = ""
    try:
        program = await asyncio.to_thread(peer.program)
    except ToolMissingError as error:
        missing = str(error)
        say(f"{peer.engine} is left out: {missing}")
    results: list[Result] = []
    runs_per_s: float | None = None
    for work in suitable:
        # That of W1 is about our api.
        title = work.alike if isinstance(work, Submit) else work.title
        if program is not None:
            say(f"peer: {peer.engine}: {name_of(work)} {title}")
        running = _run(peer, program, missing, work, runs_per_s)
        result = replace(await guarded(work, peer.engine, running, peer=True), title=title)
        if isinstance(work, Burst):
            runs_per_s = result.figures.get("runs/s") or runs_per_s
        results.append(result)
    return results


def suited(work: Workload, peer: Peer) -> Submit | Burst | Steady | None:
    """The workload where any scheduler can be measured by it, and this one too."""
    match work:
        case Submit() if work.alike and (work.batch == 1 or peer.batches):
            return work
        # A peer's jobs always run in handlers.
        case Burst(handlers="") | Steady():
            return work
        case _:
            return None


async def _run(
    peer: Peer,
    program: Program | None,
    missing: str,
    work: Submit | Burst | Steady,
    runs_per_s: float | None,
) -> Result:
    """One workload.

    Raises:
        NotPossible: the peer cannot be had, or is known not to keep up with the rate.
    """
    if program is None:
        raise NotPossible(missing)
    if isinstance(work, Steady) and runs_per_s is not None and runs_per_s < work.per_s:
        raise NotPossible(f"in W2 it started {runs_per_s:g}/s at most")
    try:
        async with fleet_of(peer, program) as fleet:
            match work:
                case Submit():
                    return await submit(work, fleet)
                case Burst():
                    return await burst(work, fleet)
                case Steady():
                    return await steady(work, fleet)
    except ToolMissingError as error:
        raise NotPossible(str(error)) from error
    except NotReadyError as error:
        raise RuntimeError(str(error)) from error
