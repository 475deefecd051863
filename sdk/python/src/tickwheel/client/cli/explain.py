"""`tickwheel explain`: why a job ran, or did not, and what it will do."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli import options
from tickwheel.client.cli.arguments import instant
from tickwheel.client.cli.names import job_name
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from tickwheel.client.client import Client
    from tickwheel.v1 import job_service_pb2

_PAGE = 200
#: Where no range was given and the default one has more than the limit, one of these: so long
#: before now, and after.
_NARROWER = (
    (timedelta(hours=6), timedelta(minutes=15)),
    (timedelta(minutes=90), timedelta(minutes=4)),
    (timedelta(minutes=20), timedelta(minutes=1)),
    (timedelta(minutes=5), timedelta(seconds=15)),
    (timedelta(minutes=1), timedelta(seconds=10)),
    (timedelta(seconds=15), timedelta(seconds=5)),
    (timedelta(seconds=4), timedelta(seconds=2)),
)


def explain(
    job: options.JobArgument,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help=(
                "From this instant on. Default: 24 hours before the end; less where neither is "
                "given and the limit is reached."
            ),
        ),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            "--end",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="Before this instant. Default: 24 hours after the start, or in an hour.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="So many occurrences at most.")
    ] = 1_000,
    user: options.UserOption = options.DEFAULT_USER,
    address: options.AddressOption = options.DEFAULT_ADDRESS,
    output: options.OutputOption = Output.TABLE,
) -> None:
    """Say what happened to each occurrence and why, also of those that did not run, or will.

    tickwheel explain nightly --start 2026-11-23T00:00:00Z
    """
    from tickwheel.client.cli import session
    from tickwheel.client.cli.explain_view import Lines
    from tickwheel.client.cli.output import note, print_json
    from tickwheel.client.cli.paging import first
    from tickwheel.v1.job_service_pb2 import OCCURRENCE_OUTCOME_EXPECTED as EXPECTED

    name = job_name(job, user)

    async def command(client: "Client") -> None:
        async def some(
            since: datetime | None, until: datetime | None
        ) -> "list[job_service_pb2.Occurrence]":
            """One more than the limit where there is more."""
            found = client.explain_job(
                name,
                start_time=_timestamp(since),
                end_time=_timestamp(until),
                page_size=min(limit + 1, _PAGE),
            )
            async with aclosing(first(limit + 1, found)) as occurrences:
                return [occurrence async for occurrence in occurrences]

        found = await some(start, end)
        shown = ""
        if start is None and end is None:
            # The question is about now; the oldest of a busy job's day are no answer to it.
            now = datetime.now(UTC).replace(microsecond=0)
            for before, after in _NARROWER:
                if len(found) <= limit:
                    break
                nearer = await some(now - before, now + after)
                if not nearer:
                    break
                found = nearer
                shown = f"only {now - before:%FT%TZ} to {now + after:%FT%TZ}"
            if shown:
                note(f"{shown}, not to have too many: --start and --end ask for others")
        lines = Lines()
        for occurrence in found[:limit]:
            if output is Output.JSON:
                print_json(occurrence)
            else:
                lines.add(occurrence)
        lines.end()
        if not found:
            note("nothing was to happen in that range, and nothing is known to have")
        elif len(found) > limit:
            note(f"there is more: --limit {limit} was reached")
        if not found or (end is None and not any(one.outcome == EXPECTED for one in found)):
            await _elsewhere(client, name, is_empty=not found)

    session.run(address, command)


async def _elsewhere(client: "Client", name: str, *, is_empty: bool) -> None:
    """Says what comes next, where the range does not; and what was last, where it is empty."""
    from tickwheel.client.cli.output import instant as shown
    from tickwheel.client.cli.output import note
    from tickwheel.client.errors import ApiError

    try:
        job = await client.get_job(name)
    except ApiError as error:
        if error.reason != "JOB_NOT_FOUND":
            raise
        return  # It was deleted, but is remembered.
    if is_empty and job.recent_runs:
        note(f"its last run was that of {shown(job.recent_runs[0].schedule_time)}")
    if job.next_run_times:
        note(f"its next one is that of {shown(job.next_run_times[0])}")


def _timestamp(given: datetime | None) -> "Timestamp | None":
    from google.protobuf.timestamp_pb2 import Timestamp

    if given is None:
        return None
    made = Timestamp()
    made.FromDatetime(given)
    return made
