"""Names and ids: users, jobs, runs, segments.

Resource names follow AIP-122. A run's id is deterministic, so that an occurrence has the same name
whoever fires it.
"""

import datetime
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import uuid_utils

USER_PATTERN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
JOB_ID_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
RUN_ID_PATTERN = re.compile(
    r"(\d{8}T\d{9}Z)(?:-m-([A-Za-z0-9]{8})|-b-([a-z0-9-]{1,64}?))?(?:-r(\d+))?"
)
WILDCARD = "-"
#: What a worker's id is preceded by in its name.
WORKERS = "cluster/workers/"
_RETRY = re.compile(r"-r\d+$")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class JobKey(NamedTuple):
    """Where a job is found in the store; unlike its name it is never used again."""

    user: str
    uid: str


@dataclass(frozen=True, slots=True)
class JobName:
    """A parsed `users/{user}/jobs/{job}`; either part may be `-` where a wildcard is allowed."""

    user: str
    job_id: str

    def __str__(self) -> str:
        return f"users/{self.user}/jobs/{self.job_id}"


@dataclass(frozen=True, slots=True)
class RunName:
    """A parsed `users/{user}/jobs/{job}/runs/{run}`."""

    job: JobName
    run_id: str

    def __str__(self) -> str:
        return f"{self.job}/runs/{self.run_id}"


def new_uid() -> str:
    """A fresh UUIDv7 (RFC 9562), lower case, 36 characters."""
    return str(uuid_utils.uuid7())


def uid_ms(uid: str) -> int:
    """The instant inside a UUIDv7, Unix milliseconds."""
    return int(uid[:8] + uid[9:13], 16)


def is_uuid7(text: str) -> bool:
    """Whether the text is a UUIDv7 as `new_uid` writes it."""
    try:
        parsed = UUID(text)
    except ValueError:
        return False
    return parsed.version == 7 and str(parsed) == text


def segment_of(uid: str, segments: int) -> int:
    """The segment of a job: the last 12 bits of its uid, which are random, modulo `segments`.

    Args:
        uid: the job's UUIDv7.
        segments: 1 to 4,096, fixed when the store is made.
    """
    return int(uid[-3:], 16) % segments


@lru_cache(maxsize=4096)
def instant_id(schedule_ms: int) -> str:
    """`20261123T120000000Z` for a nominal instant in Unix milliseconds."""
    instant = _EPOCH + datetime.timedelta(milliseconds=schedule_ms)
    return f"{instant:%Y%m%dT%H%M%S}{schedule_ms % 1000:03d}Z"


def manual_run_id(schedule_ms: int, discriminator: str) -> str:
    """Id of a run that was triggered by hand.

    Args:
        schedule_ms: when it was triggered.
        discriminator: 8 characters of `[A-Za-z0-9]`, from the request_id or random.
    """
    return f"{instant_id(schedule_ms)}-m-{discriminator}"


def backfill_run_id(schedule_ms: int, backfill_id: str) -> str:
    """Id of a run that a backfill has brought about."""
    return f"{instant_id(schedule_ms)}-b-{backfill_id}"


def retry_run_id(run_id: str, number: int) -> str:
    """Id of the `number`-th retry of a run, from 1; a retry of a retry is one of the first run."""
    return f"{_RETRY.sub('', run_id)}-r{number}"


def discriminator_of(run_id: str) -> str:
    """What tells a manual run from others of its job whatever its instant: `-m-…`, or all of it."""
    return run_id[run_id.index("-m-") :] if "-m-" in run_id else run_id


def occurrence_of(run_id: str) -> tuple[int, str] | None:
    """The occurrence that a run is of, Unix milliseconds, and for which backfill; None of neither.

    The backfill is empty for a scheduled run; runs by hand and retries are of no occurrence.
    """
    match = RUN_ID_PATTERN.fullmatch(run_id)
    nominal_ms = run_id_instant_ms(run_id)
    if match is None or nominal_ms is None:
        return None
    _, manual, backfill_id, retry = match.groups()
    return None if manual or retry else (nominal_ms, backfill_id or "")


def run_id_instant_ms(run_id: str) -> int | None:
    """The nominal instant inside a run id, Unix milliseconds; None where it is not a run id."""
    match = RUN_ID_PATTERN.fullmatch(run_id)
    if match is None:
        return None
    stamp = match.group(1)
    try:
        instant = datetime.datetime.strptime(stamp[:15], "%Y%m%dT%H%M%S").replace(
            tzinfo=datetime.UTC
        )
    except ValueError:
        return None
    return int((instant - _EPOCH).total_seconds()) * 1000 + int(stamp[15:18])
