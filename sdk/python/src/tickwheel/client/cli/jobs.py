"""`tickwheel jobs`: create, look at and steer jobs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import options
from tickwheel.client.cli.arguments import instant
from tickwheel.client.cli.form import Form
from tickwheel.client.cli.job_file import PayloadOptions
from tickwheel.client.cli.job_options import RunOptions, TargetOptions, policy
from tickwheel.client.cli.names import job_name, owner_name
from tickwheel.client.cli.option_groups import grouped
from tickwheel.client.cli.options import Output, Overlap

if TYPE_CHECKING:
    from rich.text import Text

    from tickwheel.client.client import Client
    from tickwheel.v1 import job_pb2

app = typer.Typer(no_args_is_help=True, help="Create, look at and steer jobs.")


@app.command()
@grouped
def create(
    when: Form,
    target: TargetOptions,
    payload: PayloadOptions,
    runs: RunOptions,
    job_id: Annotated[
        str,
        typer.Option(
            "--id",
            metavar="ID",
            show_default=False,
            help="Last part of the job's name. Default: the api makes one.",
        ),
    ] = "",
    file: Annotated[
        str,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE|-",
            show_default=False,
            help="The job as JSON, as the REST API has it; other options override its fields. "
            "Without --id its name, if it has one, is kept.",
        ),
    ] = "",
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Create a job.

    tickwheel jobs create --in 3s --topic greetings --json '{"hello": "world"}'
    """
    from tickwheel.client.cli import job_file, session
    from tickwheel.v1 import job_pb2

    job = job_file.read_job(file) if file else job_pb2.Job()
    when.apply(job.schedule)
    target.apply(job)
    if not job.target.topic:
        raise typer.BadParameter("say where to: give --topic")
    payload.apply(job.target.payload)
    runs.apply(job)
    parent = owner_name(user)
    if job.name and not job_id:
        parent, _, job_id = job.name.partition("/jobs/")

    async def command(client: "Client") -> None:
        _print(await client.create_job(parent, job, job_id=job_id), output, "created")

    session.run(address, command)


@app.command()
def get(
    job: options.JobArgument,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Show a job, when it runs next and how it ran last."""
    from tickwheel.client.cli import job_view, session
    from tickwheel.client.cli.output import print_json

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        found = await client.get_job(name)
        if output is Output.JSON:
            print_json(found)
        else:
            await job_view.print_details(found)

    session.run(address, command)


@app.command("list")
def list_(
    filter: options.FilterOption = "",
    limit: options.LimitOption = None,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """List the jobs of a user, or of all with --user -.

    tickwheel jobs list --filter 'state = ACTIVE AND labels.team = "billing"'
    """
    from tickwheel.client.cli import job_view, session
    from tickwheel.client.cli.output import print_json, print_rows
    from tickwheel.client.cli.paging import first

    async def rows(jobs: "AsyncIterator[job_pb2.Job]") -> "AsyncIterator[Sequence[Text]]":
        async for job in jobs:
            yield job_view.row(job)

    async def command(client: "Client") -> None:
        found = client.list_jobs(owner_name(user), filter=filter)
        async with aclosing(first(limit, found)) as jobs:
            if output is Output.JSON:
                async for job in jobs:
                    print_json(job)
            else:
                await print_rows(job_view.COLUMNS, rows(jobs))

    session.run(address, command)


@app.command()
@grouped
def run(
    job: options.JobArgument,
    payload: PayloadOptions,
    overlap: Annotated[
        Overlap | None,
        typer.Option("--overlap", show_default=False, help="For this run. Default: the job's."),
    ] = None,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Run a job now, beside its schedule, as it is or with another payload.

    tickwheel jobs run nightly --json '{"report": "again"}'
    """
    from tickwheel.client.cli import run_view, session
    from tickwheel.client.cli.output import print_json
    from tickwheel.v1 import target_pb2

    name = job_name(job, user)
    own = target_pb2.Payload()
    given = payload.apply(own)

    async def command(client: "Client") -> None:
        made = await client.run_job(
            name, payload=own if given else None, overlap_policy=policy(overlap)
        )
        if output is Output.JSON:
            print_json(made)
        else:
            run_view.print_line(made)

    session.run(address, command)


@app.command()
@grouped
def update(
    job: options.JobArgument,
    when: Form,
    target: TargetOptions,
    payload: PayloadOptions,
    runs: RunOptions,
    file: Annotated[
        str,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE|-",
            show_default=False,
            help="The fields to change as JSON, as the REST API has the job; other options "
            "override them.",
        ),
    ] = "",
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Change a job: what is given is set, labels and headers as a whole; the rest stays.

    tickwheel jobs update nightly --cron '0 3 * * *' --time-zone Europe/Berlin --priority 9
    """
    from tickwheel.client.cli import job_file, session
    from tickwheel.v1 import job_pb2

    changed, mask = job_file.read_changes(file) if file else (job_pb2.Job(), [])
    if when.given:
        changed.ClearField("schedule")
        mask = [path for path in mask if path.partition(".")[0] != "schedule"]
    mask += [f"schedule.{path}" for path in when.change(changed.schedule)]
    mask += [*target.apply(changed), *runs.apply(changed)]
    if payload.apply(changed.target.payload):
        mask.append("target.payload")
    changed.name = job_name(job, user)
    mask = sorted({path for path in mask if path != "name"})
    if not mask:
        raise typer.BadParameter("say what to change, by options or with --file (-f)")

    async def command(client: "Client") -> None:
        _print(await client.update_job(changed, mask), output, "updated")

    session.run(address, command)


@app.command()
def backfill(
    job: options.JobArgument,
    start: Annotated[
        datetime,
        typer.Option(
            "--start",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="The first instant that belongs to the range: 2026-11-23T12:00:00Z.",
        ),
    ],
    end: Annotated[
        datetime,
        typer.Option(
            "--end",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="The range ends before this instant.",
        ),
    ],
    overlap: Annotated[
        Overlap | None,
        typer.Option("--overlap", show_default=False, help="For these runs. Default: the job's."),
    ] = None,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Run the occurrences of a past range, in order, also those that ran already."""
    from google.protobuf.timestamp_pb2 import Timestamp

    from tickwheel.client.cli import session
    from tickwheel.client.cli.output import print_json

    name = job_name(job, user)
    start_time, end_time = Timestamp(), Timestamp()
    start_time.FromDatetime(start)
    end_time.FromDatetime(end)

    async def command(client: "Client") -> None:
        begun = await client.backfill_job(
            name, start_time, end_time, overlap_policy=policy(overlap)
        )
        if output is Output.JSON:
            print_json(begun)
        else:
            typer.echo(f"backfill {begun.backfill_id}: {begun.count} occurrences")

    session.run(address, command)


@app.command()
def pause(
    job: options.JobArgument,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="TEXT", show_default=False, help="Why, kept with the job."
        ),
    ] = "",
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Pause a job: what comes due from now on is skipped."""
    from tickwheel.client.cli import session

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        _print(await client.pause_job(name, reason=reason), output, "paused")

    session.run(address, command)


@app.command()
def resume(
    job: options.JobArgument,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Make a paused job active again; what came due meanwhile stays skipped."""
    from tickwheel.client.cli import session

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        _print(await client.resume_job(name), output, "resumed")

    session.run(address, command)


@app.command()
def delete(
    job: options.JobArgument,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Delete a job; its runs stay readable for its retention."""
    from tickwheel.client.cli import session
    from tickwheel.client.cli.output import printable

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        await client.delete_job(name)
        typer.echo("{}" if output is Output.JSON else f"deleted {printable(name)}")

    session.run(address, command)


def _print(job: "job_pb2.Job", output: Output, done: str) -> None:
    from tickwheel.client.cli import output as printing

    if output is Output.JSON:
        printing.print_json(job)
        return
    typer.echo(f"{done} {printing.printable(job.name)}")
    if job.next_run_times:
        typer.echo(f"next run {printing.instant(job.next_run_times[0])}")
