"""A run as people see it: a row of a list, a line of a watch, or all there is to it."""

from collections.abc import Sequence

from google.protobuf import json_format
from rich.text import Text

from tickwheel.client.cli.output import console, details, instant, text
from tickwheel.v1 import run_pb2

COLUMNS = ("DUE", "STATE", "LATE", "PUBLISHED TO", "RUN")

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


def print_details(run: run_pb2.Run) -> None:
    """Print all that says something, attempt by attempt."""
    console().print(
        details(
            [
                ("name", text(run.name)),
                ("state", state(run.state)),
                ("skipped because", text(skip_reason(run))),
                ("trigger", text(run_pb2.Trigger.Name(run.trigger).removeprefix("TRIGGER_"))),
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
                ("error", text(_error(run))),
                ("result", text(_result(run))),
                ("trace", text(run.trace_id)),
            ]
        )
    )


def state(value: run_pb2.RunState) -> Text:
    """`SUCCEEDED`, coloured."""
    name = run_pb2.RunState.Name(value).removeprefix("RUN_STATE_")
    return text(name, _STATE_STYLES.get(value, ""))


def late(run: run_pb2.Run) -> str:
    """How long after it was due the record was on the log; empty until it is.

    A backfilled run is due in the past, and was asked for later: that is not late.
    """
    if run.trigger == run_pb2.TRIGGER_BACKFILL:
        return "backfilled"
    if not (run.HasField("publish_time") and run.HasField("due_time")):
        return ""
    late_ms = run.publish_time.ToMilliseconds() - run.due_time.ToMilliseconds()
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


def _error(run: run_pb2.Run) -> str:
    return run.error.message or run.error.type


def _result(run: run_pb2.Run) -> str:
    if not run.HasField("result"):
        return ""
    return json_format.MessageToJson(run.result, indent=None, ensure_ascii=False)


def _instant(run: run_pb2.Run, field: str) -> Text:
    return text(instant(getattr(run, field)) if run.HasField(field) else "")
