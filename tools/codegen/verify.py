"""Checks the contract: lint, format, nothing broken for clients, and `gen/` current.

The TypeScript is compiled as well, with the example that uses it.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from codegen import breaking
from codegen.generate import GEN, ROOT, generate, generated_files

_CHECKS = (
    ("buf", "lint"),
    ("buf", "format", "--diff", "--exit-code"),
    ("node_modules/.bin/tsc", "--project", "tools/codegen/tsconfig.json"),
    ("node_modules/.bin/tsc", "--project", "examples/executor-ts", "--noEmit"),
)


def stale(present: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    """How `present` differs from `fresh`: a line for each file, none when it is current."""
    return sorted(
        [f"{name}: missing" for name in fresh.keys() - present.keys()]
        + [f"{name}: not generated any more" for name in present.keys() - fresh.keys()]
        + [
            f"{name}: out of date"
            for name in present.keys() & fresh
            if present[name] != fresh[name]
        ]
    )


def main() -> int:
    """Print what is wrong; 1 when something is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--against",
        default="main",
        help="the commit or branch whose clients must not break (default: main)",
    )
    against: str = parser.parse_args().against
    try:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder))
            differences = stale(generated_files(GEN), generated_files(Path(folder)))
        wrong = breaking.breaks(against)
    except subprocess.CalledProcessError as error:
        print(error, file=sys.stderr)
        return 1
    for check in _CHECKS:
        wrong |= subprocess.run(check, cwd=ROOT, check=False).returncode != 0
    for line in differences:
        print(f"gen/{line}", file=sys.stderr)
    if differences:
        print("gen/ is not current: run `make generate` and commit it", file=sys.stderr)
    return 1 if wrong or differences else 0


if __name__ == "__main__":
    sys.exit(main())
