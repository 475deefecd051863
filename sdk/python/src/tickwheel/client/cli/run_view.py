"""A run as people see it: a row of a list, a line of a watch, or all there is to it."""

from collections.abc import AsyncIterator, Sequence

from google.protobuf import json_format
from rich.text import Text

from tickwheel.client.cli.output import console, details, instant, print_rows, text
from tickwheel.v1 import run_pb2

COLUMNS = ("DUE", "STATE", "LATE", "PUBLISHED TO", "RUN")

ATTEMPT_COLUMNS = ("ATTEMPT", "STATE", "DUE", "ENDED", "PUBLISHED TO", "EXECUTOR", "ERROR")

FINAL_STATES = frozenset(
    {
        run_pb2.RUN_STATE_SUCCEEDED,
        run_pb2.RUN_STATE_FAILED,
        run_pb2.RUN_STATE_CANCELLED,
        run_pb2.RUN_STATE_SKIPPED,
    }
)

_STATE_STYLES = {
    run_pb2.RUN_STATE_SUCCEEDED: "green",
    run_pb2.RUN_STATE_FAILED: "red",
    run_pb2.RUN_STATE_CANCELLED: "yellow",
    run_pb2.RUN_STATE_SKIPPED: "yellow",
}

_STATE_WIDTH = len("SUCCEEDED")
_LATE_WIDTH = len("12345 ms late")


def row(run: run_pb2.Run) -> Sequence[Text]:
    """The run under COLUMNS."""
    return (
        text(instant(run.due_time) if run.HasField("due_time") else ""),
        state(run.state),
        text(late(run)),
        text(position(run)),
        _name_and_why(run),
    )


def print_line(run: run_pb2.Run) -> None:
    """Print the run on one line, in columns that line up with those of other runs."""
    due, how_far, how_late, where, name = row(run)
    how_far.pad_right(max(0, _STATE_WIDTH - how_far.cell_len))
    how_late.pad_left(max(0, _LATE_WIDTH - how_late.cell_len))
    cells = [due, how_far, how_late, *([where] if where.plain else []), name]
    console().print(Text("  ").join(cells), soft_wrap=True)


async def print_details(run: run_pb2.Run) -> None:
    """Print all that says something, the attempts in a table where there was more than one."""
    console().print(
        details(
            [
                ("name", text(run.name)),
                ("state", state(run.state)),
                ("skipped because", text(skip_reason(run))),
                ("stands for", text(_stretch(run))),
                ("in its way", text(run.blocking_run)),
                ("cancelling", text("asked for" if run.cancel_requested else "")),
                ("trigger", text(run_pb2.Trigger.Name(run.trigger).removeprefix("TRIGGER_"))),
                ("retry of", text(run.retried_run)),
                ("backfill", text(run.backfill_id)),
                ("scheduled", _instant(run, "schedule_time")),
                ("due", _instant(run, "due_time")),
                ("published", _instant(run, "publish_time")),
                ("late", text(late(run))),
                ("published to", text(position(run))),
                ("started", _instant(run, "start_time")),
                ("ended", _instant(run, "end_time")),
                ("attempt", text(str(run.attempt or ""))),
                ("next attempt", _instant(run, "next_attempt_time")),
                ("worker", text(run.worker)),
                ("executor", text(run.attempts[-1].executor if run.attempts else "")),
                ("progress", text(_progress(run))),
                ("error", text(_error(run))),
                ("error type", text(run.error.type)),
                ("dead letter", text(run.dead_letter_topic)),
                ("result", text(_result(run))),
                ("trace", text(run.trace_id)),
            ]
        )
    )
    if run.error.details:
        console().print()
        for line in run.error.details.splitlines():
            console().print(text(line, "dim"), soft_wrap=True)
    if len(run.attempts) > 1:
        console().print()
        await print_rows(ATTEMPT_COLUMNS, _attempts(run))


def state(value: run_pb2.RunState) -> Text:
    """`SUCCEEDED`, coloured."""
    name = run_pb2.RunState.Name(value).removeprefix("RUN_STATE_")
    return text(name, _STATE_STYLES.get(value, ""))


def late(run: run_pb2.Run) -> str:
    """How long after it was due its first record was on the log; empty until it is, or unknown.

    A backfilled run is due in the past, and was asked for later: that is not late.
    """
    if run.trigger == run_pb2.TRIGGER_BACKFILL:
        return "backfilled"
    if not (run.HasField("publish_time") and run.HasField("due_time")):
        return ""
    published, due = run.publish_time, run.due_time
    if run.attempts and run.attempts[0].HasField("publish_time"):
        # A later attempt waited for its backoff, a run that was held back for its turn.
        published, due = run.attempts[0].publish_time, run.attempts[0].due_time
    elif run.attempt > 1:
        return ""
    late_ms = published.ToMilliseconds() - due.ToMilliseconds()
    return f"{late_ms} ms late" if late_ms >= 0 else f"{-late_ms} ms EARLY"


def position(run: run_pb2.Run) -> str:
    """`billing/0@41`: topic, partition and offset; empty until it is published."""
    if not run.HasField("offset"):
        return ""
    return f"{run.topic}/{run.partition}@{run.offset}"


def skip_reason(run: run_pb2.Run) -> str:
    """`PAUSED`; empty for a run that was not skipped."""
    if run.state != run_pb2.RUN_STATE_SKIPPED:
        return ""
    return run_pb2.SkipReason.Name(run.skip_reason).removeprefix("SKIP_REASON_")


def _name_and_why(run: run_pb2.Run) -> Text:
    why = skip_reason(run) or _error(run)
    if why:
        return text(run.name).append(f"  {text(why).plain}", style="dim")
    return text(run.name)


def _stretch(run: run_pb2.Run) -> str:
    if run.skipped_count < 2:
        return ""
    first, last = instant(run.first_schedule_time), instant(run.last_schedule_time)
    return f"{run.skipped_count} occurrences, from {first} to {last}"


def _progress(run: run_pb2.Run) -> str:
    if not run.HasField("progress"):
        return ""
    said = f" {run.progress.message}" if run.progress.message else ""
    return f"{run.progress.fraction:.0%}{said} ({instant(run.progress.update_time)})"


async def _attempts(run: run_pb2.Run) -> AsyncIterator[Sequence[Text]]:
    for each in run.attempts:
        ended = instant(each.end_time) if each.HasField("end_time") else ""
        where = f"{each.topic}/{each.partition}@{each.offset}" if each.HasField("offset") else ""
        yield (
            text(str(each.attempt)),
            state(each.state),
            text(instant(each.due_time) if each.HasField("due_time") else ""),
            text(ended),
            text(where),
            text(each.executor),
            text(each.error.message or each.error.type),
        )


def _error(run: run_pb2.Run) -> str:
    return run.error.message or run.error.type


def _result(run: run_pb2.Run) -> str:
    if not run.HasField("result"):
        return ""
    return json_format.MessageToJson(run.result, indent=None, ensure_ascii=False)


def _instant(run: run_pb2.Run, field: str) -> Text:
    return text(instant(getattr(run, field)) if run.HasField(field) else "")
