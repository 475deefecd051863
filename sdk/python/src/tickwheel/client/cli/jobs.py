"""`tickwheel jobs`: create, look at and steer jobs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import form, options
from tickwheel.client.cli.arguments import Pair, instant, pair
from tickwheel.client.cli.names import job_name, owner_name
from tickwheel.client.cli.options import Output, Overlap

if TYPE_CHECKING:
    from rich.text import Text

    from tickwheel.client.client import Client
    from tickwheel.v1 import job_pb2

app = typer.Typer(no_args_is_help=True, help="Create, look at and steer jobs.")


@app.command()
def create(
    at: form.AtOption = None,
    after: form.InOption = None,
    cron: form.CronOption = "",
    every: form.EveryOption = None,
    iso8601: form.Iso8601Option = "",
    rrule: form.RruleOption = "",
    time_zone: form.TimeZoneOption = "",
    topic: Annotated[
        str,
        typer.Option(
            "--topic", metavar="TOPIC", show_default=False, help="Kafka topic to publish to."
        ),
    ] = "",
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="JSON|@FILE", show_default=False, help="Payload: any JSON value."
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", metavar="TEXT|@FILE", show_default=False, help="Payload: text."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA|@FILE",
            show_default=False,
            help="Payload: bytes. @- is standard input, as for the other two.",
        ),
    ] = None,
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="KEY",
            show_default=False,
            help="Key of the records. Default: the job's name.",
        ),
    ] = "",
    header: Annotated[
        list[Pair] | None,
        typer.Option(
            "--header",
            parser=pair,
            metavar="KEY=VALUE",
            show_default=False,
            help="A header of the records; may be repeated.",
        ),
    ] = None,
    label: Annotated[
        list[Pair] | None,
        typer.Option(
            "--label",
            parser=pair,
            metavar="KEY=VALUE",
            show_default=False,
            help="A label to find the job by; may be repeated.",
        ),
    ] = None,
    job_id: Annotated[
        str,
        typer.Option(
            "--id",
            metavar="ID",
            show_default=False,
            help="Last part of the job's name. Default: the api makes one.",
        ),
    ] = "",
    description: Annotated[
        str,
        typer.Option("--description", metavar="TEXT", show_default=False, help="For people."),
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
    form.Form(at, after, cron, every, time_zone, iso8601, rrule).apply(job.schedule)
    if topic:
        job.target.topic = topic
    elif not job.target.topic:
        raise typer.BadParameter("say where to: give --topic")
    payload = job_file.PayloadOptions(json, text, data)
    payload.apply(job.target.payload)
    if key:
        job.target.key = key
    job.target.headers.update({each.key: each.value for each in header or ()})
    job.labels.update({each.key: each.value for each in label or ()})
    if description:
        job.description = description
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
def run(
    job: options.JobArgument,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Run a job now, beside its schedule."""
    from tickwheel.client.cli import run_view, session
    from tickwheel.client.cli.output import print_json

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        made = await client.run_job(name)
        if output is Output.JSON:
            print_json(made)
        else:
            run_view.print_line(made)

    session.run(address, command)


@app.command()
def update(
    job: options.JobArgument,
    at: form.AtOption = None,
    after: form.InOption = None,
    cron: form.CronOption = "",
    every: form.EveryOption = None,
    iso8601: form.Iso8601Option = "",
    rrule: form.RruleOption = "",
    time_zone: form.TimeZoneOption = "",
    file: Annotated[
        str,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE|-",
            show_default=False,
            help="The fields to change as JSON, as the REST API has the job.",
        ),
    ] = "",
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Change a job: its schedule by options, anything else by a file.

    tickwheel jobs update nightly --cron '0 3 * * *' --time-zone Europe/Berlin
    """
    from tickwheel.client.cli import job_file, session
    from tickwheel.v1 import job_pb2

    changed = job_file.read_job(file) if file else job_pb2.Job()
    schedule = form.Form(at, after, cron, every, time_zone, iso8601, rrule)
    if schedule.given:
        changed.ClearField("schedule")
        schedule.apply(changed.schedule)
    elif time_zone:
        raise typer.BadParameter("--time-zone alone changes nothing: repeat the schedule with it")
    elif not file:
        raise typer.BadParameter("say what to change: a schedule, or --file")
    changed.name = job_name(job, user)

    async def command(client: "Client") -> None:
        _print(await client.update_job(changed), output, "updated")

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
    from tickwheel.v1 import job_pb2

    name = job_name(job, user)
    start_time, end_time = Timestamp(), Timestamp()
    start_time.FromDatetime(start)
    end_time.FromDatetime(end)
    policy = job_pb2.OVERLAP_UNSPECIFIED
    if overlap is not None:
        policy = getattr(job_pb2, f"OVERLAP_{overlap.name}")

    async def command(client: "Client") -> None:
        begun = await client.backfill_job(name, start_time, end_time, overlap_policy=policy)
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
