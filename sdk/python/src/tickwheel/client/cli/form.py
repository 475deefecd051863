"""A schedule's form as options: which occurrences, in which zone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli.arguments import duration, instant

if TYPE_CHECKING:
    from tickwheel.v1 import schedule_pb2

AtOption = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        parser=instant,
        metavar="INSTANT",
        show_default=False,
        help="Once, at this instant: 2026-11-23T12:00:00Z.",
    ),
]

InOption = Annotated[
    timedelta | None,
    typer.Option(
        "--in",
        parser=duration,
        metavar="DURATION",
        show_default=False,
        help="Once, so long from now: 3s, 5m, 1h30m.",
    ),
]

CronOption = Annotated[
    str,
    typer.Option(
        "--cron",
        metavar="CRON",
        show_default=False,
        help="Again and again: minute, hour, day of month, month, day of week.",
    ),
]

Iso8601Option = Annotated[
    str,
    typer.Option(
        "--iso8601",
        metavar="INTERVAL",
        show_default=False,
        help="A repeating interval: R5/2026-11-23T12:00:00Z/PT1H.",
    ),
]

RruleOption = Annotated[
    str,
    typer.Option(
        "--rrule",
        metavar="RULE",
        show_default=False,
        help="A recurrence rule (RFC 5545): FREQ=MONTHLY;BYDAY=-1FR.",
    ),
]

EveryOption = Annotated[
    timedelta | None,
    typer.Option(
        "--every",
        parser=duration,
        metavar="DURATION",
        show_default=False,
        help="Again and again, at this distance: 10s, 5m, 1h.",
    ),
]

TimeZoneOption = Annotated[
    str,
    typer.Option(
        "--time-zone",
        metavar="ZONE",
        show_default=False,
        help="IANA zone for wall-clock times and dates: Europe/Berlin. Default: UTC.",
    ),
]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Form:
    """What was given of the options that name a form, and of `--time-zone`."""

    at: datetime | None = None
    after: timedelta | None = None
    cron: str = ""
    every: timedelta | None = None
    time_zone: str = ""
    iso8601: str = ""
    rrule: str = ""

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
        if len(self.given) > 1:
            raise typer.BadParameter(f"give only one of {', '.join(self.given)}")
        if self.at is not None:
            schedule.at.FromDatetime(self.at)
        elif self.after is not None:
            schedule.at.FromDatetime(now() + self.after)
        elif self.cron:
            schedule.cron = self.cron
        elif self.every is not None:
            schedule.every.FromTimedelta(self.every)
        elif self.iso8601:
            schedule.iso8601 = self.iso8601
        elif self.rrule:
            schedule.rrule = self.rrule
        elif schedule.WhichOneof("form") is None:
            raise typer.BadParameter(
                "say when: give one of --at, --in, --cron, --every, --iso8601, --rrule, or JSON "
                "with --file (-f), as for anyOf"
            )
        if self.time_zone:
            schedule.time_zone = self.time_zone
