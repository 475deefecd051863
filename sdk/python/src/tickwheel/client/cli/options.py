"""Options and arguments that many commands share, so that they are the same everywhere."""

from enum import StrEnum
from typing import Annotated

import typer

DEFAULT_ADDRESS = "127.0.0.1:7420"
DEFAULT_USER = "default"


class Output(StrEnum):
    """How a command prints what it was asked for."""

    TABLE = "table"
    JSON = "json"


class Overlap(StrEnum):
    """What becomes of a run while an earlier one of its job is unfinished."""

    SKIP = "skip"
    BUFFER_ONE = "buffer-one"
    BUFFER_ALL = "buffer-all"
    CANCEL_OTHER = "cancel-other"
    ALLOW_ALL = "allow-all"


AddressOption = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="TICKWHEEL_ADDRESS",
        metavar="HOST:PORT",
        help="Where the api serves gRPC.",
    ),
]

UserOption = Annotated[
    str,
    typer.Option(
        "--user",
        envvar="TICKWHEEL_USER",
        metavar="USER",
        help="Owner of jobs that are not given by their full name.",
    ),
]

OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        help="For people, or the protobuf messages as JSON, one to a line.",
    ),
]

JobArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB", show_default=False, help="Full name (users/7/jobs/nightly), or id."
    ),
]

JobsArgument = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        show_default=False,
        help="Full name (users/7/jobs/nightly), or id; '-' stands for all, also in a name. "
        "Default: all jobs of the user.",
    ),
]

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        show_default=False,
        help="Full name (users/7/jobs/nightly/runs/20261123T120000000Z), or without users/7/jobs/.",
    ),
]

FilterOption = Annotated[
    str,
    typer.Option(
        "--filter", metavar="FILTER", show_default=False, help="Terms joined by AND (AIP-160)."
    ),
]

LimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", show_default=False, help="Default: all."),
]
