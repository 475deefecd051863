"""Where things are: instants and ids to partition keys. Pure arithmetic, in one place.

Each of these bounds a partition by time; where time alone does not, a shard does it by size.
"""

from functools import lru_cache
from typing import Final
from uuid import UUID

from tickwheel.server.domain.names import run_id_instant_ms, uid_ms
from tickwheel.server.domain.run import Run

#: Jobs of a user created within one period share a partition of `job_table`. Ten seconds: an hour
#: of one busy user (1,000 jobs/s of 1 KiB) would be a partition of 5 GB, ten seconds are 14 MB; and
#: what is created in one call still lies together.
PERIOD_MS: Final = 10_000
#: Periods in a block of `user_periods`: 30 days.
BLOCK_PERIODS: Final = 259_200
#: A bucket of `task_schedule`, `inbox` and `run_log`.
BUCKET_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
HOUR_BUCKETS: Final = HOUR_MS // BUCKET_MS
DAY_MS: Final = 24 * HOUR_MS
#: Runs of one job within a week share a partition of `task_history`: a job that runs each second
#: makes 604,800 rows of it, about 200 MB; a month would be a gigabyte.
WEEK_MS: Final = 7 * DAY_MS
#: Former versions of a job in one partition of `job_changes`.
VERSION_BLOCK: Final = 1_000
#: Rows that one process writes into a shard of a bucket before it goes on to the next.
SHARD_ROWS: Final = 10_000


def period_of(uid: str) -> int:
    """The period of `job_table` in which a job was created."""
    return uid_ms(uid) // PERIOD_MS


def bucket_of(instant_ms: int) -> int:
    """The minute of an instant."""
    return instant_ms // BUCKET_MS


def hour_of(instant_ms: int) -> int:
    """The hour of an instant."""
    return instant_ms // HOUR_MS


def week_of(instant_ms: int) -> int:
    """The seven days of an instant, counted from the epoch (a Thursday)."""
    return instant_ms // WEEK_MS


def execution_ms(run: Run) -> int:
    """Where a run stands in its job's history: the nominal instant that its name carries."""
    instant = named_instant_ms(run.run_id)
    return run.schedule_ms if instant is None else instant


def named_instant_ms(run_id: str) -> int | None:
    """The instant in a run's name; None where it has none."""
    if len(run_id) > _INSTANT_LENGTH and run_id[_INSTANT_LENGTH] != "-":
        return None
    return _instant_ms(run_id[:_INSTANT_LENGTH])


@lru_cache(maxsize=8_192)
def _instant_ms(text: str) -> int | None:
    # Parsing costs more than all else about a run, and runs of the same instant come together.
    return run_id_instant_ms(text)


_INSTANT_LENGTH: Final = len("20261123T120000000Z")


def uuid_bytes(uid: str) -> bytes:
    """A uid as it is ordered: UUIDv7 by its bytes, which is by time."""
    return bytes.fromhex(uid.replace("-", ""))


def uid_from_bytes(data: bytes) -> str:
    """The uid of its 16 bytes.

    Raises:
        ValueError: there are not 16 of them.
    """
    return str(UUID(bytes=data))
