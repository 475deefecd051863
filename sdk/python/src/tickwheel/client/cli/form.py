"""A schedule as options: its form, which says which occurrences, and what holds for any form."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli.arguments import duration, instant, number

if TYPE_CHECKING:
    from tickwheel.v1 import schedule_pb2


class Gap(StrEnum):
    """What becomes of a wall-clock time that does not exist."""

    NEXT_VALID = "next-valid"
    SKIP = "skip"
    SAME_OFFSET = "same-offset"


class Twice(StrEnum):
    """What becomes of a wall-clock time that comes twice."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Form:
    """What was given of the options that name a form, and of those that go with any."""

    at: Annotated[
        datetime | None,
        typer.Option(
            "--at",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="Once, at this instant: 2026-11-23T12:00:00Z.",
        ),
    ] = None
    after: Annotated[
        timedelta | None,
        typer.Option(
            "--in",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="Once, so long from now: 3s, 5m, 1h30m.",
        ),
    ] = None
    cron: Annotated[
        str | None,
        typer.Option(
            "--cron",
            metavar="CRON",
            show_default=False,
            help="Again and again: minute, hour, day of month, month, day of week.",
        ),
    ] = None
    every: Annotated[
        timedelta | None,
        typer.Option(
            "--every",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="Again and again, at this distance: 10s, 5m, 1h.",
        ),
    ] = None
    iso8601: Annotated[
        str | None,
        typer.Option(
            "--iso8601",
            metavar="INTERVAL",
            show_default=False,
            help="A repeating interval: R5/2026-11-23T12:00:00Z/PT1H.",
        ),
    ] = None
    rrule: Annotated[
        str | None,
        typer.Option(
            "--rrule",
            metavar="RULE",
            show_default=False,
            help="A recurrence rule (RFC 5545): FREQ=MONTHLY;BYDAY=-1FR.",
        ),
    ] = None
    time_zone: Annotated[
        str | None,
        typer.Option(
            "--time-zone",
            metavar="ZONE",
            show_default=False,
            help="IANA zone for wall-clock times and dates: Europe/Berlin. Default: UTC.",
        ),
    ] = None
    start_time: Annotated[
        datetime | None,
        typer.Option(
            "--start-time",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="The schedule's startTime: no occurrence before it.",
        ),
    ] = None
    end_time: Annotated[
        datetime | None,
        typer.Option(
            "--end-time",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="The schedule's endTime: no occurrence at it or after it.",
        ),
    ] = None
    anchor: Annotated[
        datetime | None,
        typer.Option(
            "--anchor",
            parser=instant,
            metavar="INSTANT",
            show_default=False,
            help="What --every, and an --rrule without DTSTART, are counted from.",
        ),
    ] = None
    max_runs: Annotated[
        int | None,
        typer.Option(
            "--max-runs",
            parser=number,
            metavar="N",
            show_default=False,
            help="So many occurrences; 0 is without limit. Default: 0.",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="DATE|INSTANT",
            show_default=False,
            help="Leave out 2026-12-25, or 2026-12-25T12:00:00Z; may be repeated.",
        ),
    ] = None
    jitter: Annotated[
        timedelta | None,
        typer.Option(
            "--jitter",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="Each is due up to so much later, by chance; a preview shows it without.",
        ),
    ] = None
    dst_gap: Annotated[
        Gap | None,
        typer.Option(
            "--dst-gap",
            show_default=False,
            help="Where the clock leaves a time out. Default: next-valid.",
        ),
    ] = None
    dst_overlap: Annotated[
        Twice | None,
        typer.Option(
            "--dst-overlap",
            show_default=False,
            help="Where the clock shows a time twice. Default: first.",
        ),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options that name a form, in the order of the help."""
        forms = {
            "--at": self.at,
            "--in": self.after,
            "--cron": self.cron,
            "--every": self.every,
            "--iso8601": self.iso8601,
            "--rrule": self.rrule,
        }
        return [option for option, value in forms.items() if value not in (None, "")]

    def apply(
        self,
        schedule: "schedule_pb2.Schedule",
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Set on the schedule what was given, and leave the rest.

        Raises:
            typer.BadParameter: no form was given and the schedule has none, or more than one was.
        """
        self.change(schedule, now)
        if schedule.WhichOneof("form") is None:
            raise typer.BadParameter(
                "say when: give one of --at, --in, --cron, --every, --iso8601, --rrule, or JSON "
                "with --file (-f), as for anyOf"
            )

    def change(
        self,
        schedule: "schedule_pb2.Schedule",
        now: Callable[[], datetime] = _utc_now,
    ) -> list[str]:
        """The same where it need not have a form; returns the paths of what was set.

        Raises:
            typer.BadParameter: more than one form was given.
        """
        from tickwheel.client.cli.fields import set_fields
        from tickwheel.v1 import schedule_pb2

        if len(self.given) > 1:
            raise typer.BadParameter(f"give only one of {', '.join(self.given)}")
        gap = twice = None
        if self.dst_gap is not None:
            gap = schedule_pb2.DstGap.Value(f"DST_GAP_{self.dst_gap.name}")
        if self.dst_overlap is not None:
            twice = schedule_pb2.DstOverlap.Value(f"DST_OVERLAP_{self.dst_overlap.name}")
        return set_fields(
            schedule,
            {
                "at": self.at if self.after is None else now() + self.after,
                "cron": self.cron or None,
                "every": self.every,
                "iso8601": self.iso8601 or None,
                "rrule": self.rrule or None,
                "time_zone": self.time_zone,
                "start_time": self.start_time,
                "end_time": self.end_time,
                "anchor": self.anchor,
                "max_runs": self.max_runs,
                "excludes": self.exclude or None,
                "jitter": self.jitter,
                "dst_gap": gap,
                "dst_overlap": twice,
            },
        )
