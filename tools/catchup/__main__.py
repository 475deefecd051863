"""``python -m catchup``, behind ``make catch-up-drill``; 1 when something is wrong."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from drills.dev import Dev

from catchup.drill import drill
from catchup.judge import table


def main() -> int:
    """Does the drill on a `tickwheel dev` of its own, and prints what became of each job."""
    parser = argparse.ArgumentParser(prog="catch-up-drill", description=__doc__)
    parser.add_argument("--outage", type=float, default=90.0, help="seconds (default: 90)")
    outage_s: float = parser.parse_args().outage
    print(f"tickwheel dev will be away for {outage_s:g} s …", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="tickwheel-catch-up-") as folder,
        Dev(Path(folder)) as dev,
    ):
        verdicts = asyncio.run(drill(dev, dev.address, outage_s))
    outage = verdicts[0].facts.outage
    away_s, ready_s = ((at - outage.ended_ms) / 1000 for at in (outage.start_ms, outage.ready_ms))
    print(f"It was away for {away_s:.1f} s, and ready again after {ready_s:.1f} s. All in UTC:\n")
    print("\n".join(table(verdicts)))
    wrong = sum(bool(verdict.wrong) for verdict in verdicts)
    if not wrong:
        print("\nEach occurrence once, and as its job's settings say.")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
