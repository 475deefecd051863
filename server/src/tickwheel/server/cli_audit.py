"""`tickwheel audit`."""

import signal
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickwheel.client.cli.arguments import duration, instant
from tickwheel.client.cli.options import Output

if TYPE_CHECKING:
    from tickwheel.server.proof.notebook import Notebook
    from tickwheel.server.proof.scope import Scope
    from tickwheel.server.settings import Settings

#: The audit could not be made: store or log do not answer, or its own file cannot be used.
EXIT_UNAVAILABLE = 3

HELP = """Proves that nothing is missing, early or doubled, or lists what is.

From the jobs, in each version that they had, it works out what ought to have been due in the
range. Each such occurrence has to be published (its record is on the log) or recorded with the
reason why not; never before it was due; once; with the content and the target of a version that
held; under the fence of an owner that the job's own runs do not show to have been replaced; and its
run must have ended, in one way: all final states that the run log has of it are the same. A record
that stands for several skipped occurrences has to stand for as many as its schedule has there; it
is counted whole, also where it began before the range or goes on behind it.

An occurrence that is there under another ce_id as well, of an attempt that its run did not come to,
is DOUBLED, whenever that came. A record that is there again with the same ce_id is counted as a
duplicate, which consumers can drop: it may be of a failover, or of a worker that did not hear of
its outcome (when that was is not kept). It is DOUBLED, too, where it came more than 60 s after the
first and after the end of its run: by then every owner knew that it was done, and no worker is
still at it; or where its content differs though fence and job are the same (of a job that was
changed each content has to be that of a version that held).

Ends with 0: nothing found. 1: something was, and is listed. 2: arguments. 3: store or log cannot
be read, or the checkpoint not be written. It only reads, and takes as much memory for a thousand
jobs as for a million; what it has read is kept in the file of --checkpoint (else in a temporary
one), from which an audit that was interrupted goes on when it is called in the same way again. The
file goes when the audit is done.

Clocks: "early" compares the log's own stamp (LogAppendTime; where a topic keeps its producers'
stamps, that is said) with the due instant, to the millisecond. A broker whose clock is behind the
workers' makes records look early by as much: say so by --log-behind. Around each change of a job
both versions are granted: 0.5 s for clocks, and up to 75 s, since it is not known when the change
was confirmed.

Not proven, and counted as such: runs older than their job's retention; records older than the
topic's (by offset, or by time where the worker did not learn that); jobs deleted longer ago than
their retention (deleted ones within it are audited); what is published while the audit runs; runs
still open, also those that wait for others of their job that are; ends that the next owner did not
know of, and that may have been recorded late by one that had been replaced: within 60 s of the last
that it recorded in the segment. Never seen: retries and backfills that bear an instant before the
range and never reached the log. Backfilled runs of the range are audited, also of jobs made after
it; but which ranges were asked for is not kept, so none is missed. Compacted topics cannot be
audited: what compaction has removed is found VANISHED.
"""


def register(app: typer.Typer) -> None:
    """Adds audit."""
    app.command("audit", help=HELP, short_help=HELP.partition("\n")[0])(audit)


def audit(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB",
            show_default=False,
            help="Full name (users/7/jobs/nightly), or id with --user. Default: all.",
        ),
    ] = None,
    last: Annotated[
        str, typer.Option(metavar="DURATION", help="Up to now: 1h, 30m, 2d.", show_default=False)
    ] = "",
    start_time: Annotated[
        str,
        typer.Option(metavar="INSTANT", help="Due from here on (RFC 3339).", show_default=False),
    ] = "",
    end_time: Annotated[
        str,
        typer.Option(
            metavar="INSTANT",
            help="Due before. Default, and at the latest: ten seconds ago, since what came due "
            "just now may still be on its way.",
            show_default=False,
        ),
    ] = "",
    user: Annotated[
        str,
        typer.Option(metavar="USER", help="Jobs of one owner. Default: all.", show_default=False),
    ] = "",
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Goes on from here when it was interrupted."
        ),
    ] = None,
    log_behind: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="By how much the log's clock may be behind the workers'."
        ),
    ] = "0ms",
    store: Annotated[
        str | None, typer.Option(help="cassandra or sqlite.", envvar="TICKWHEEL_STORE")
    ] = None,
    cassandra_contact_points: Annotated[
        str | None,
        typer.Option(
            help="host:port of Cassandra nodes, comma separated.",
            envvar="TICKWHEEL_CASSANDRA_CONTACT_POINTS",
        ),
    ] = None,
    cassandra_keyspace: Annotated[
        str | None, typer.Option(help="Cassandra keyspace.", envvar="TICKWHEEL_CASSANDRA_KEYSPACE")
    ] = None,
    kafka_bootstrap: Annotated[
        str | None,
        typer.Option(
            help="host:port of Kafka brokers, comma separated.",
            envvar="TICKWHEEL_KAFKA_BOOTSTRAP",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data directory of `tickwheel dev`, which may be running; with --store sqlite.",
            envvar="TICKWHEEL_DATA",
        ),
    ] = None,
    output: Annotated[
        Output,
        typer.Option(
            "--output", "-o", help="For people, or JSON: a line for each finding, and a summary."
        ),
    ] = Output.TABLE,
) -> None:
    """See HELP."""
    import sqlite3

    from tickwheel.server.cli_settings import settings_of
    from tickwheel.server.proof.auditor import NoSuchJob
    from tickwheel.server.wiring.audit import places

    settings = settings_of(
        store=store,
        cassandra_contact_points=cassandra_contact_points,
        cassandra_keyspace=cassandra_keyspace,
        kafka_bootstrap=kafka_bootstrap,
        data=data,
    )
    scope = _scope(job, user, last, start_time, end_time, duration(log_behind))
    call = repr((places(settings), job, user, last, start_time, end_time, log_behind))
    notebook, scope = _notebook(checkpoint, scope, call)
    try:
        is_clean = _run(settings, scope, notebook, output)
    except NoSuchJob as error:
        notebook.close()
        if checkpoint is not None:
            # Nothing is in it yet, and the call cannot go on from it.
            checkpoint.unlink()
        raise typer.BadParameter(str(error), param_hint="JOB") from error
    except sqlite3.Error as error:
        # The disk is full, say, or somebody else has written to it.
        typer.echo(f"tickwheel audit: {checkpoint or 'the temporary file'}: {error}", err=True)
        raise typer.Exit(EXIT_UNAVAILABLE) from error
    finally:
        notebook.close()
    if checkpoint is not None:
        checkpoint.unlink()
    raise typer.Exit(0 if is_clean else 1)


def _scope(
    job: str | None, user: str, last: str, start_time: str, end_time: str, log_behind: timedelta
) -> "Scope":
    from tickwheel.server.domain.clock import SystemClock
    from tickwheel.server.domain.names import USER_PATTERN
    from tickwheel.server.proof.scope import SETTLE_MS, Scope

    settled_ms = SystemClock().now_ms() - SETTLE_MS
    asked_ms = _ms(end_time) if end_time else settled_ms
    end_ms = min(asked_ms, settled_ms)
    if bool(last) == bool(start_time):
        raise typer.BadParameter("give one of --last and --start-time")
    if last and end_time:
        raise typer.BadParameter("--end-time goes with --start-time, not with --last")
    length_ms = round(duration(last).total_seconds() * 1000) if last else 0
    start_ms = end_ms - length_ms if last else _ms(start_time)
    if start_ms >= asked_ms and end_time:
        raise typer.BadParameter("the range is empty: --end-time has to be after --start-time")
    if start_ms >= end_ms:
        raise typer.BadParameter("the range is empty: it has to begin ten seconds ago or earlier")
    job_id = ""
    if job is not None:
        user, job_id = _job_name(job, user)
    elif user and not USER_PATTERN.fullmatch(user):
        raise typer.BadParameter(f"{user!r} is not a user", param_hint="--user")
    return Scope(
        start_ms=start_ms,
        end_ms=end_ms,
        user=user,
        job_id=job_id,
        log_behind_ms=round(log_behind.total_seconds() * 1000),
    )


def _job_name(job: str, user: str) -> tuple[str, str]:
    """The owner and the id that a job's full name says, or its id and --user."""
    from tickwheel.server.domain.names import JOB_ID_PATTERN, USER_PATTERN

    owner, job_id = user, job
    if "/" in job:
        owner, slash, job_id = job.removeprefix("users/").partition("/jobs/")
        if not (job.startswith("users/") and slash):
            owner = job_id = ""
    elif not user:
        raise typer.BadParameter(
            f"{job!r} is an id, which needs its owner: --user, or the job's full name",
            param_hint="JOB",
        )
    if not (USER_PATTERN.fullmatch(owner) and JOB_ID_PATTERN.fullmatch(job_id)):
        raise typer.BadParameter(
            f"{job!r} is not the name of a job: users/USER/jobs/ID, or ID with --user",
            param_hint="JOB",
        )
    if user not in ("", owner):
        raise typer.BadParameter(f"{job!r} is not a job of --user {user}", param_hint="JOB")
    return owner, job_id


def _ms(text: str) -> int:
    return round(instant(text).timestamp() * 1000)


def _notebook(path: Path | None, scope: "Scope", call: str) -> "tuple[Notebook, Scope]":
    """The file of this audit, and its scope: that of its beginning, where it goes on."""
    from tickwheel.server.proof.notebook import Notebook, NotebookError
    from tickwheel.server.proof.scope import Scope

    try:
        notebook = Notebook.open(path, scope.to_json(), call)
    except NotebookError as error:
        raise typer.BadParameter(f"--checkpoint: {error}") from error
    return notebook, Scope.from_json(notebook.scope)


def _run(settings: "Settings", scope: "Scope", notebook: "Notebook", output: Output) -> bool:
    """Audits and prints; whether nothing was found."""
    import asyncio
    import sys

    from tickwheel.server.domain.errors import TickwheelError
    from tickwheel.server.proof.log import LogError
    from tickwheel.server.proof.report import Report
    from tickwheel.server.wiring.audit import run_audit
    from tickwheel.server.wiring.logs import configure_logs

    configure_logs("error", settings.log_format)
    # As Ctrl-C: the last step is committed or undone, never half.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        progress, log = asyncio.run(run_audit(settings, scope, notebook, show=sys.stderr.isatty()))
    except (TickwheelError, LogError) as error:
        message: Any = getattr(error, "message", error)
        typer.echo(f"tickwheel audit: {message}", err=True)
        raise typer.Exit(EXIT_UNAVAILABLE) from error
    report = Report(notebook, scope, progress, log)
    if output is Output.JSON:
        for line in report.json_lines():
            typer.echo(line)
    else:
        report.print()
    return report.is_clean


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
