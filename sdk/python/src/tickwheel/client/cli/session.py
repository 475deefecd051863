"""Runs a command's coroutine with a client, and says in one line what went wrong."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import grpc
import typer

from tickwheel.client.cli.output import printable
from tickwheel.client.client import Client
from tickwheel.client.errors import ApiError

# gRPC's C core writes what it sees of connections to standard error, below its own errors too.
# Read when the first channel is made.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


class CommandError(Exception):
    """The command cannot do what it was asked for; the text says why and what would help."""


def run(address: str, command: Callable[[Client], Awaitable[None]]) -> None:
    """Run the command to its end, with a client of its own.

    Raises:
        typer.Exit: with 1, after the error was printed on standard error.
    """

    async def session() -> None:
        async with Client(address) as client:
            await command(client)

    try:
        asyncio.run(session())
    except ApiError as error:
        for line in describe(error, address):
            typer.echo(f"error: {printable(line)}", err=True)
        raise typer.Exit(1) from None
    except CommandError as error:
        typer.echo(f"error: {printable(str(error))}", err=True)
        raise typer.Exit(1) from None


def describe(error: ApiError, address: str) -> list[str]:
    """What a refused or failed call is in a person's words: a line for each field at fault."""
    if not error.reason:
        if error.code is grpc.StatusCode.UNAVAILABLE:
            # gRPC's text ends with what the system said, after all that it tried.
            why = error.message.rpartition(": ")[2]
            # A password that somebody has written into it is not repeated.
            place = address.rpartition("@")[2]
            return [
                f"no answer from {place} ({why}): is tickwheel running there? "
                "Another address is given by --address or TICKWHEEL_ADDRESS"
            ]
        return [f"{error.message} ({error.code.name})"]
    if error.violations:
        return [f"{each.field}: {each.description} ({error.reason})" for each in error.violations]
    return [f"{error.message} ({error.reason})"]
