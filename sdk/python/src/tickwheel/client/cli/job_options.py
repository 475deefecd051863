"""What a job says besides when, as options: where to and what, and how its runs are treated."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli.arguments import Pair, duration, number, pair
from tickwheel.client.cli.options import Overlap

if TYPE_CHECKING:
    from tickwheel.v1 import job_pb2


class Completion(StrEnum):
    """When a run has succeeded."""

    PUBLISHED = "published"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Where to, what is with it, and how the job is found."""

    topic: Annotated[
        str | None,
        typer.Option(
            "--topic", metavar="TOPIC", show_default=False, help="Kafka topic to publish to."
        ),
    ] = None
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            show_default=False,
            help="Key of the records. Default: the job's name.",
        ),
    ] = None
    header: Annotated[
        list[Pair] | None,
        typer.Option(
            "--header",
            parser=pair,
            metavar="KEY=VALUE",
            show_default=False,
            help="A header of the records; may be repeated.",
        ),
    ] = None
    type: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            show_default=False,
            help="CloudEvents type of the records. Default: tickwheel.run.",
        ),
    ] = None
    content_type: Annotated[
        str | None,
        typer.Option(
            "--content-type",
            metavar="TYPE",
            show_default=False,
            help="Media type of the payload. Default: by its kind.",
        ),
    ] = None
    dead_letter_topic: Annotated[
        str | None,
        typer.Option(
            "--dead-letter-topic",
            metavar="TOPIC",
            show_default=False,
            help="Where a record goes after its run's last failed attempt. Default: TOPIC.dlq.",
        ),
    ] = None
    label: Annotated[
        list[Pair] | None,
        typer.Option(
            "--label",
            parser=pair,
            metavar="KEY=VALUE",
            show_default=False,
            help="A label to find the job by; may be repeated.",
        ),
    ] = None
    description: Annotated[
        str | None,
        typer.Option("--description", metavar="TEXT", show_default=False, help="For people."),
    ] = None

    def apply(self, job: "job_pb2.Job") -> list[str]:
        """Set on the job what was given; returns the paths of it."""
        from tickwheel.client.cli.fields import set_fields

        return set_fields(
            job,
            {
                "target.topic": self.topic,
                "target.key": self.key,
                "target.headers": _mapping(self.header),
                "target.type": self.type,
                "target.content_type": self.content_type,
                "target.dead_letter_topic": self.dead_letter_topic,
                "labels": _mapping(self.label),
                "description": self.description,
            },
        )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the runs of a job are treated."""

    completion: Annotated[
        Completion | None,
        typer.Option(
            "--completion",
            show_default=False,
            help="When a run has succeeded: once it is on Kafka, or once an executor says so. "
            "Default: published.",
        ),
    ] = None
    run_timeout: Annotated[
        timedelta | None,
        typer.Option(
            "--run-timeout",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="How long an attempt of a reported run may take. Default: 60s.",
        ),
    ] = None
    overlap: Annotated[
        Overlap | None,
        typer.Option(
            "--overlap",
            show_default=False,
            help="What becomes of a reported run while an earlier one is unfinished. "
            "Default: skip.",
        ),
    ] = None
    max_retries: Annotated[
        int | None,
        typer.Option(
            "--max-retries",
            parser=number,
            metavar="N",
            show_default=False,
            help="Attempts after the first, 0-100. Default: 3.",
        ),
    ] = None
    initial_backoff: Annotated[
        timedelta | None,
        typer.Option(
            "--initial-backoff",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="Wait before the second attempt. Default: 1s.",
        ),
    ] = None
    backoff_multiplier: Annotated[
        float | None,
        typer.Option(
            "--backoff-multiplier",
            metavar="X",
            show_default=False,
            help="Each further wait is so many times the one before, 1-100. Default: 2.",
        ),
    ] = None
    max_backoff: Annotated[
        timedelta | None,
        typer.Option(
            "--max-backoff",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="No wait is longer. Default: 300s.",
        ),
    ] = None
    pause_after_failures: Annotated[
        int | None,
        typer.Option(
            "--pause-after-failures",
            parser=number,
            metavar="N",
            show_default=False,
            help="Pause after so many failed runs in a row, up to 1000; 0 is never. Default: 0.",
        ),
    ] = None
    catch_up_window: Annotated[
        timedelta | None,
        typer.Option(
            "--catch-up-window",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="What was missed is run if it is younger. Default: 1h; always of a one-off job.",
        ),
    ] = None
    priority: Annotated[
        int | None,
        typer.Option(
            "--priority",
            parser=number,
            metavar="N",
            show_default=False,
            help="0-9; among the user's runs that are due, 9 goes first. Default: 5.",
        ),
    ] = None
    max_in_flight: Annotated[
        int | None,
        typer.Option(
            "--max-in-flight",
            parser=number,
            metavar="N",
            show_default=False,
            help="Unfinished reported runs at once; 0 is any. Default: 0.",
        ),
    ] = None
    retention: Annotated[
        timedelta | None,
        typer.Option(
            "--retention",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="How long what has ended stays readable. Default: 7d.",
        ),
    ] = None

    def apply(self, job: "job_pb2.Job") -> list[str]:
        """Set on the job what was given; returns the paths of it. Ranges are the api's matter."""
        from tickwheel.client.cli.fields import set_fields
        from tickwheel.v1 import job_pb2

        completion = None
        if self.completion is not None:
            completion = job_pb2.Completion.Value(f"COMPLETION_{self.completion.name}")
        return set_fields(
            job,
            {
                "completion": completion,
                "run_timeout": self.run_timeout,
                "overlap_policy": policy(self.overlap) or None,
                "retry_policy.max_retry_count": self.max_retries,
                "retry_policy.initial_backoff": self.initial_backoff,
                "retry_policy.backoff_multiplier": self.backoff_multiplier,
                "retry_policy.max_backoff": self.max_backoff,
                "pause_after_failures": self.pause_after_failures,
                "catch_up_window": self.catch_up_window,
                "priority": self.priority,
                "max_in_flight": self.max_in_flight,
                "retention": self.retention,
            },
        )


def policy(overlap: Overlap | None) -> "job_pb2.Overlap":
    """The overlap policy in the contract's terms; unspecified where none was given."""
    from tickwheel.v1 import job_pb2

    if overlap is None:
        return job_pb2.OVERLAP_UNSPECIFIED
    return getattr(job_pb2, f"OVERLAP_{overlap.name}")


def _mapping(pairs: list[Pair] | None) -> dict[str, str] | None:
    return {each.key: each.value for each in pairs} if pairs else None
