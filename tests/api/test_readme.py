"""The README's table of schedules: each line works as it stands, and gives what it says."""

import json
import re
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict

from api.harness import ApiUnderTest
from tickwheel.v1 import job_service_pb2

_README = Path(__file__).parents[2] / "README.md"


def _table() -> list[tuple[str, str]]:
    """(Schedule, what comes next) of each line."""
    text = _README.read_text(encoding="utf-8")
    section = text[text.index("## Schedules") : text.index("## A cluster on one machine")]
    return re.findall(r"^\| [^|]+ \| `(\{.+\})` \| ([^|]+) \|$", section, re.MULTILINE)


@pytest.mark.parametrize(("schedule", "expected"), _table())
async def test_each_line_of_the_table(api: ApiUnderTest, schedule: str, expected: str) -> None:
    body = {"schedule": json.loads(schedule), "startTime": "2026-11-23T00:00:00Z", "count": 2}
    response = await api.jobs.PreviewSchedule(
        ParseDict(body, job_service_pb2.PreviewScheduleRequest())
    )
    assert ", ".join(at.ToJsonString() for at in response.times) == expected


def test_the_table_has_every_form_and_setting() -> None:
    together = " ".join(schedule for schedule, _ in _table())
    for name in (
        *("at", "cron", "every", "iso8601", "rrule", "anyOf", "timeZone", "startTime", "endTime"),
        *("anchor", "maxRuns", "jitter", "excludes", "dstGap", "dstOverlap"),
    ):
        assert f'"{name}":' in together
