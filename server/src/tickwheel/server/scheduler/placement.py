"""Which worker serves which segment. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping


def place_segments(
    segments: Iterable[int], workers: Iterable[str], current: Mapping[int, str]
) -> dict[int, str]:
    """Spreads segments evenly over workers and moves as few as possible.

    Args:
        segments: those to be served.
        workers: those that take work.
        current: who serves which segment so far; may name workers that are gone.

    Returns:
        A worker for each segment; empty where there is no worker.
    """
    todo = sorted(segments)
    able = sorted(workers)
    if not able:
        return {}
    held: dict[str, list[int]] = {worker: [] for worker in able}
    free: list[int] = []
    for segment in todo:
        worker = current.get(segment)
        if worker in held:
            held[worker].append(segment)
        else:
            free.append(segment)
    floor, rest = divmod(len(todo), len(able))
    order = sorted(able, key=lambda worker: (-len(held[worker]), worker))
    shares = {worker: floor + (place < rest) for place, worker in enumerate(order)}
    for worker in able:
        free.extend(held[worker][shares[worker] :])
        del held[worker][shares[worker] :]
    free.sort()
    for worker in able:
        room = shares[worker] - len(held[worker])
        held[worker].extend(free[:room])
        del free[:room]
    return {segment: worker for worker, own in held.items() for segment in own}


def by_worker(placement: Mapping[int, str]) -> dict[str, list[int]]:
    """The same the other way round, segments in ascending order."""
    result: defaultdict[str, list[int]] = defaultdict(list)
    for segment in sorted(placement):
        result[placement[segment]].append(segment)
    return dict(result)
