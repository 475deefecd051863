"""``python -m drills``: behind ``make drills``. Prints a line for each; 1 when one is violated."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from background.wait import NotReadyError
from bootstrap.command import ToolMissingError
from localcluster.layout import TICKWHEEL

from drills import dev
from drills.broken_worker import FOUND_BY
from drills.drill import Line, Times, run_drill
from drills.faults import FAULTS, Fault
from drills.load import Load, Rates
from drills.rig import SMALL, WHOLE, Rig, Shape, rig
from drills.warming import warm
from drills.watch import Watch
from drills.work import KILLS, Kill, WorkLine, run_work_drill

_WORKER: list[str | Path] = [TICKWHEEL, "worker"]
_DEV = {
    "power-cut": "kill -9 of `tickwheel dev` amid writes, three times",
    "full-disk": "the disk of `tickwheel dev` is full for a while",
}


def main() -> int:
    """Does the drills that are named, or all."""
    parser = argparse.ArgumentParser(prog="drills", description=__doc__)
    names = [*(each.name for each in (*FAULTS, *KILLS)), *_DEV]
    parser.add_argument("drill", nargs="*", help=f"of: {', '.join(names)}; all by default")
    parser.add_argument("--list", action="store_true", help="say what each one does")
    parser.add_argument("--small", action="store_true", help="engines of one node, fewer parts")
    parser.add_argument("--rate", type=int, help="one-off jobs a second")
    parser.add_argument(
        "--defect",
        choices=FOUND_BY,
        help="workers break a promise on purpose: this has to end with a violation",
    )
    parser.add_argument("--keep", type=Path, help="a folder for logs, which stay")
    arguments = parser.parse_args()
    defect: str | None = arguments.defect
    wanted: list[str] = arguments.drill or ([FOUND_BY[defect]] if defect else names)
    if unknown := [name for name in wanted if name not in names]:
        parser.error(f"no such drill: {', '.join(unknown)}; there are {', '.join(names)}")
    if arguments.list:
        for each in (*FAULTS, *KILLS):
            print(f"{each.name:<20} {each.what}")
        for name, what in _DEV.items():
            print(f"{name:<20} {what}")
        return 0
    with tempfile.TemporaryDirectory(prefix="tickwheel-drills-") as temporary:
        home: Path = arguments.keep or Path(temporary)
        shape = SMALL if arguments.small else WHOLE
        rates = replace(shape.rates, one_off=arguments.rate or shape.rates.one_off)
        try:
            lines = _all(wanted, home.absolute(), shape, rates, defect)
        except (ToolMissingError, NotReadyError, TimeoutError) as error:
            print(f"drills: {error}", file=sys.stderr)
            return 1
    return 0 if all(line.holds for line in lines) else 1


def _all(
    wanted: list[str], home: Path, shape: Shape, rates: Rates, defect: str | None
) -> list[Line | WorkLine]:
    faults = [fault for fault in FAULTS if fault.name in wanted]
    for fault in [each for each in faults if each.needs_nodes and shape is SMALL]:
        print(f"{fault.name}: not with --small, one node cannot lose one", file=sys.stderr)
        faults.remove(fault)
    kills = [each for each in KILLS if each.name in wanted]
    lines: list[Line | WorkLine] = []
    if faults or kills:
        _say(f"starting {shape.nodes} Cassandra, {shape.nodes} Kafka and the parts …")
        worker = [sys.executable, "-m", "drills.broken_worker", defect] if defect else _WORKER
        with rig(home / "cluster", shape, worker=worker) as running:
            for number, each in enumerate([*faults, *kills]):
                if number:
                    running.restore()
                # The drill before may have left engines behind that have just begun.
                _say(f"warm after {warm(running.api, 'warming', rates):.0f} s")
                if isinstance(each, Kill):
                    lines.append(_worked(running, each, home / "work"))
                else:
                    lines.append(_told(_on_cluster(running, each, rates), home))
    ours = [name for name in _DEV if name in wanted]
    return [*lines, *(_told(_on_dev(name, home / name, rates), home) for name in ours)]


def _on_cluster(running: Rig, fault: Fault, rates: Rates) -> Line:
    _say(fault.what)
    return run_drill(
        fault.name,
        api=running.api,
        watch=lambda topic: Watch(running.kafka.bootstrap, topic),
        act=lambda load: fault.act(running, load),
        limit_s=fault.limit_s,
        resume_limit_s=fault.resume_limit_s,
        unseen=fault.unseen,
        rates=rates,
        continuing=[running.cluster.log(name) for name in running.names("scheduler")]
        if fault.streams_stay
        else None,
    )


def _worked(running: Rig, each: Kill, home: Path) -> WorkLine:
    _say(each.what)
    line = run_work_drill(
        each,
        api=running.api,
        bootstrap=running.kafka.bootstrap,
        home=home,
        kill_part=running.cluster.kill,
        start_part=running.cluster.start,
    )
    print(line, flush=True)
    return line


def _on_dev(name: str, home: Path, rates: Rates) -> Line:
    _say(_DEV[name])
    if name == "full-disk" and not dev.can_mount():
        raise ToolMissingError("full-disk needs user namespaces (unshare --mount), or root")
    acts: dict[str, Callable[[dev.Dev], Callable[[Load], Times]]] = {
        "power-cut": dev.power_cuts,
        "full-disk": dev.full_disk,
    }
    with dev.Dev(home, disk=dev.DISK if name == "full-disk" else "") as running:
        return run_drill(
            name,
            api=running.address,
            watch=lambda topic: dev.PullWatch(running.address, topic),
            act=acts[name](running),
            limit_s=10,
            rates=rates,
        )


def _told(line: Line, home: Path) -> Line:
    """Prints a line; all that is wrong goes beside the logs."""
    print(line, flush=True)
    verdict = line.verdict
    if wrong := [
        *verdict.missing,
        *verdict.early,
        *verdict.doubled,
        *verdict.unwanted,
        *verdict.stale,
    ]:
        (home / f"{line.name}.txt").write_text("\n".join(wrong) + "\n")
    return line


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
