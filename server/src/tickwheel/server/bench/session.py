"""One call of the bench from a shell: what is run, what is printed, how it ends."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

import typer
import uvloop
from rich.console import Console

from tickwheel.server.bench.cluster import Lab
from tickwheel.server.bench.ready import NotReadyError
from tickwheel.server.bench.report import as_json, show, write
from tickwheel.server.bench.result import Result
from tickwheel.server.bench.run import choose, circumstances, run_on
from tickwheel.server.bench.workloads import FULL, QUICK, Workload

#: What else is measured with the workloads, in the same session; told where to say what goes on.
Beside = Callable[[Sequence[Workload], Callable[[str], None]], Awaitable[list[Result]]]


class Session:
    """Runs workloads on labs.

    Args:
        names: of the workloads, `W1` to `W7`; all where none is given.
        quick: the small sizes.
        report: the folder for JSON and picture, if any.
        as_json: print JSON instead of tables.

    Raises:
        typer.BadParameter: there is no such workload.
    """

    def __init__(
        self, names: Sequence[str], *, quick: bool, report: Path | None, as_json: bool
    ) -> None:
        try:
            self._workloads = choose(names, QUICK if quick else FULL)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        self._report = report
        self._as_json = as_json

    def run(self, labs: Sequence[Lab], beside: Beside | None = None) -> None:
        """Runs all and prints what came out.

        Args:
            labs: where the workloads are run.
            beside: is measured after them.

        Raises:
            typer.Exit: with 1, where a run was lost or early, or something broke off; with 143
                after SIGTERM, when all that was started has been ended.
        """
        facts = circumstances()
        try:
            results = uvloop.run(self._until_told(self._all(labs, beside)))
        except asyncio.CancelledError as error:
            raise typer.Exit(128 + signal.SIGTERM) from error
        except NotReadyError as error:
            typer.echo(f"tickwheel bench: {error}", err=True)
            raise typer.Exit(1) from error
        if self._report is not None:
            write(self._report, facts, results)
        if self._as_json:
            typer.echo(as_json(facts, results))
        else:
            show(Console(highlight=False), results)
        if broken(results):
            raise typer.Exit(1)

    @staticmethod
    async def _until_told(measuring: Coroutine[None, None, list[Result]]) -> list[Result]:
        """Cancelled by SIGTERM, as by Ctrl-C: what runs for the bench must not outlive it."""
        task = asyncio.ensure_future(measuring)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    async def _all(self, labs: Sequence[Lab], beside: Beside | None) -> list[Result]:
        results = [result for lab in labs for result in await run_on(lab, self._workloads, _say)]
        if beside is not None:
            results += await beside(self._workloads, _say)
        return results


#: Of these none is to be.
_NONE = ("missing", "early", "handlers missing", "handlers early")


def broken(results: Sequence[Result]) -> bool:
    """Whether one broke off, or a run of ours was lost or early in it."""
    return any(
        each.failed or (not each.peer and any(each.figures.get(name) for name in _NONE))
        for each in results
    )


def _say(line: str) -> None:
    typer.echo(line, err=True)
