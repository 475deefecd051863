"""``python -m bootstrap``: find or install tools, and run a command with them on PATH."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bootstrap.command import ToolMissingError
from bootstrap.gateway import gateway
from bootstrap.go import go
from bootstrap.java import java, maven
from bootstrap.node import node
from bootstrap.uv import uv
from bootstrap.watching import otelcol, promtool

TOOLS: dict[str, Callable[[], Path]] = {
    "uv": uv,
    "go": go,
    "java": java,
    "mvn": maven,
    "node": node,
    "gateway": gateway,
    "promtool": promtool,
    "otelcol": otelcol,
}


def main() -> int:
    """Do what the arguments say; 1 when a tool that is needed cannot be had."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    commands = parser.add_subparsers(dest="action", required=True)
    path = commands.add_parser("path", help="print where a tool is, installing it if need be")
    path.add_argument("tool", choices=TOOLS)
    run = commands.add_parser("run", help="run a command with tools on PATH")
    run.add_argument("--need", choices=TOOLS, action="append", default=[])
    run.add_argument("--want", choices=TOOLS, action="append", default=[])
    run.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        if arguments.action == "path":
            print(TOOLS[arguments.tool]())
            return 0
        return _run(arguments.need, arguments.want, arguments.command)
    except ToolMissingError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1


def _run(needed: list[str], wanted: list[str], command: list[str]) -> int:
    folders = [str(TOOLS[tool]().parent) for tool in needed]
    for tool in wanted:
        try:
            folders.append(str(TOOLS[tool]().parent))
        except ToolMissingError as error:
            print(f"bootstrap: going on without {tool}: {error}", file=sys.stderr)
    # What is on PATH already stays in its place, so that a shim directory does not come first.
    known = os.environ["PATH"].split(os.pathsep)
    added = [folder for folder in folders if folder not in known]
    os.environ["PATH"] = os.pathsep.join([*added, *known])
    command = command[1:] if command[:1] == ["--"] else command
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
