"""A job as people see it: a row of a list, or all there is to it."""

from collections.abc import AsyncIterator, Sequence

from google.protobuf import json_format
from rich.text import Text

from tickwheel.client.cli import run_view
from tickwheel.client.cli.output import console, details, instant, print_rows, text
from tickwheel.v1 import job_pb2, schedule_pb2, target_pb2

COLUMNS = ("JOB", "STATE", "SCHEDULE", "TOPIC", "NEXT RUN")

_STATE_STYLES = {
    job_pb2.JOB_STATE_ACTIVE: "green",
    job_pb2.JOB_STATE_PAUSED: "yellow",
    job_pb2.JOB_STATE_COMPLETED: "dim",
}


def row(job: job_pb2.Job) -> Sequence[Text]:
    """The job under COLUMNS."""
    return (
        text(job.name),
        state(job.state),
        text(schedule(job.schedule)),
        text(job.target.topic),
        text(instant(job.next_run_times[0]) if job.next_run_times else ""),
    )


async def print_details(job: job_pb2.Job) -> None:
    """Print all that says something, and the last runs."""
    labels = ", ".join(f"{key}={value}" for key, value in sorted(job.labels.items()))
    headers = ", ".join(f"{key}={value}" for key, value in sorted(job.target.headers.items()))
    console().print(
        details(
            [
                ("name", text(job.name)),
                ("uid", text(job.uid)),
                ("description", text(job.description)),
                ("labels", text(labels)),
                ("state", state(job.state)),
                ("paused because", text(job.pause_reason)),
                ("schedule", text(schedule(job.schedule))),
                ("next runs", text(", ".join(instant(each) for each in job.next_run_times))),
                ("topic", text(job.target.topic)),
                ("key", text(job.target.key)),
                ("headers", text(headers)),
                ("payload", text(payload(job.target.payload))),
                ("completion", text(_name(job_pb2.Completion.Name(job.completion)))),
                *(_if_reported(job)),
                ("retries", text(_retries(job))),
                ("dead letters", text(job.target.dead_letter_topic)),
                ("pauses after", text(_count(job.pause_after_failures, "failed run", " in a row"))),
                ("catch-up", text(_duration(job, "catch_up_window"))),
                ("priority", text(str(job.priority) if job.HasField("priority") else "")),
                ("retention", text(_duration(job, "retention"))),
                ("created", text(instant(job.create_time))),
                ("updated", text(instant(job.update_time))),
                ("etag", text(job.etag)),
            ]
        )
    )
    if job.recent_runs:
        console().print()
        await print_rows(run_view.COLUMNS, _recent(job))


def state(value: job_pb2.JobState) -> Text:
    """`ACTIVE`, coloured."""
    name = job_pb2.JobState.Name(value).removeprefix("JOB_STATE_")
    return text(name, _STATE_STYLES.get(value, ""))


def schedule(value: schedule_pb2.Schedule) -> str:
    """The form and the zone in a few words: `cron 30 2 * * * (Europe/Berlin)`."""
    form = value.WhichOneof("form")
    if form is None:
        return ""
    if form == "at":
        what = instant(value.at)
    elif form == "any_of":
        what = " | ".join(schedule(each) for each in value.any_of.schedules)
    elif form == "every":
        what = value.every.ToJsonString()
    else:
        what = str(getattr(value, form))
    zone = f" ({value.time_zone})" if value.time_zone else ""
    return f"{form} {what}{zone}"


def payload(value: target_pb2.Payload) -> str:
    """The payload as it was given; of bytes only how many."""
    content = value.WhichOneof("content")
    if content == "json":
        return json_format.MessageToJson(value.json, indent=None, ensure_ascii=False)
    if content == "data":
        return f"{len(value.data)} bytes"
    return value.text


def _if_reported(job: job_pb2.Job) -> list[tuple[str, Text]]:
    """What holds for no other runs."""
    if job.completion != job_pb2.COMPLETION_REPORTED:
        return []
    return [
        ("time-out", text(_duration(job, "run_timeout"))),
        ("overlap", text(_name(job_pb2.Overlap.Name(job.overlap_policy)))),
        ("in flight", text(f"at most {job.max_in_flight}" if job.max_in_flight else "")),
    ]


def _retries(job: job_pb2.Job) -> str:
    policy = job.retry_policy
    if not policy.HasField("max_retry_count"):
        return ""
    if policy.max_retry_count == 0:
        return "none"
    first, longest = policy.initial_backoff.ToJsonString(), policy.max_backoff.ToJsonString()
    return (
        f"{policy.max_retry_count}, after {first}, each time {policy.backoff_multiplier:g} times "
        f"as long, {longest} at most"
    )


def _name(value: str) -> str:
    """`REPORTED`; empty for what is not set."""
    word = value.partition("_")[2]
    return "" if word == "UNSPECIFIED" else word


def _count(number: int, what: str, rest: str) -> str:
    if not number:
        return ""
    return f"{number} {what}{'s' if number > 1 else ''}{rest}"


def _duration(job: job_pb2.Job, field: str) -> str:
    return getattr(job, field).ToJsonString() if job.HasField(field) else ""


async def _recent(job: job_pb2.Job) -> AsyncIterator[Sequence[Text]]:
    for run in job.recent_runs:
        yield run_view.row(run)
