"""W6 in several sittings: a million jobs are stored once, in a folder that stays.

`make bench ARGS=W6` does it all in one go; here pairs are added to those that are there.
"""

import contextlib
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from background.guard import guard, unguard
from bootstrap.gateway import NAME as GATEWAY
from engines import Instance, cassandra, kafka
from localcluster import Size

from bench.engines_lab import EnginesLab
from tickwheel.server.bench.cluster import Lab
from tickwheel.server.bench.embedded import DevLab
from tickwheel.server.bench.w6_standing import counts, fill
from tickwheel.server.bench.workloads import Standing, Steady

#: On Cassandra and Kafka, where the model's coefficients of a run come from as well, the rate is
#: one at which two processes of each kind have to do: at a lower one each run is written by itself.
_PER_S = {"embedded": 500, "real": 1_000}


def work(engine: str) -> Standing:
    """What is measured on an engine, `embedded` or `real`."""
    return Standing(10_000, 1_000_000, 1, 10, Steady(_PER_S[engine], 20, 10))


@contextmanager
def kept_lab(engine: str, folder: Path, temporary: Path) -> Generator[Lab]:
    """Where both stores are.

    Args:
        engine: `embedded` or `real`.
        folder: of what stays.
        temporary: for what does not.
    """
    if engine == "embedded":
        yield DevLab(folder / engine)
        return
    store = cassandra("stored", home=folder / "cassandra")
    with _kept(store), kafka("stored", home=temporary / "kafka") as log:
        binary = shutil.which(GATEWAY)
        yield EnginesLab(
            temporary / "parts",
            {"cassandra": store, "kafka": log},
            Path(binary) if binary else None,
            Size(apis=1, schedulers=2, workers=2),
        )


@contextmanager
def _kept(instance: Instance) -> Generator[None]:
    """Runs it for as long as the block lasts; its data stays."""
    instance.home.mkdir(parents=True, exist_ok=True)
    guard(instance.home, remove=False)
    with contextlib.ExitStack() as ending:
        ending.callback(unguard, instance.home)
        ending.callback(instance.stop)
        instance.start()
        yield


async def filled(work: Standing, lab: Lab, marks: Path, say: Callable[[str], None]) -> None:
    """Fills those of the stores that are not marked as filled."""
    for store, count in counts(work).items():
        mark = marks / f"{store}-{count}"
        if not mark.exists():
            await fill(lab, store, count, say)
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
