"""`tickwheel cluster`: the servers, and what each of them does."""

from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import options
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from tickwheel.client.client import Client

app = typer.Typer(help="Show the schedulers, the workers and their segments.")


@app.callback(invoke_without_command=True)
def cluster(
    context: typer.Context,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show the schedulers and workers: versions, heartbeats, how far behind, and their segments."""
    if context.invoked_subcommand is not None:
        return
    from tickwheel.client.cli import session
    from tickwheel.client.cli.cluster_view import print_cluster
    from tickwheel.client.cli.output import print_json

    async def command(client: "Client") -> None:
        found = await client.get_cluster()
        if output is Output.JSON:
            print_json(found)
        else:
            print_cluster(found)

    session.run(address, command)


@app.command()
def drain(
    worker: Annotated[
        str,
        typer.Argument(
            metavar="WORKER", show_default=False, help="Its id, or cluster/workers/ and its id."
        ),
    ],
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Tell a worker to take no more work, to hand over what it holds, and to end."""
    from tickwheel.client.cli import session
    from tickwheel.client.cli.cluster_view import print_workers
    from tickwheel.client.cli.output import print_json

    name = worker if worker.startswith("cluster/workers/") else f"cluster/workers/{worker}"

    async def command(client: "Client") -> None:
        found = await client.drain_worker(name)
        if output is Output.JSON:
            print_json(found)
        else:
            print_workers([found])

    session.run(address, command)
