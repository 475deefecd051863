"""The tables, as numbered steps that are only ever added to. docs/schema.md says why each is so.

Every statement is idempotent, so a step that was interrupted is simply run again. Tables of time
carry their expiry in each row and are compacted by time windows; all others have none.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the schema; `version` is its place, from 1, without gaps."""

    version: int
    name: str
    statements: tuple[str, ...]


#: Columns that share the row of a job: under lightweight transactions, apart from the last two,
#: which only the segment's owner writes, and never under one.
_JOB_TABLE = """
CREATE TABLE IF NOT EXISTS job_table (
    user_id text, period bigint, job_id uuid,
    is_recurring boolean, run_interval text, max_retry_count int, created_time bigint,
    job_name text, segment int, version int, paused boolean, deleted_time bigint,
    record blob, payload_version int, entry blob, change_actor text, change_reason text,
    completed_generation int, complete_time bigint,
    PRIMARY KEY ((user_id, period), job_id)
) WITH CLUSTERING ORDER BY (job_id DESC)
"""

_JOB_PAYLOADS = """
CREATE TABLE IF NOT EXISTS job_payloads (
    job_id uuid, version int, payload blob,
    PRIMARY KEY ((job_id), version)
)
"""

_USER_BLOCKS = """
CREATE TABLE IF NOT EXISTS user_blocks (
    user_id text, block int,
    PRIMARY KEY ((user_id), block)
) WITH CLUSTERING ORDER BY (block DESC)
"""

_USER_PERIODS = """
CREATE TABLE IF NOT EXISTS user_periods (
    user_id text, block int, period bigint,
    PRIMARY KEY ((user_id, block), period)
) WITH CLUSTERING ORDER BY (period DESC)
"""

_JOB_IDS = """
CREATE TABLE IF NOT EXISTS job_ids (
    user_id text, job_name text, job_id uuid,
    current uuid STATIC, claimed_time bigint STATIC,
    PRIMARY KEY ((user_id, job_name), job_id)
) WITH CLUSTERING ORDER BY (job_id DESC)
"""

_REQUEST_IDS = """
CREATE TABLE IF NOT EXISTS request_ids (
    user_id text, request_id text,
    digest blob, job_id uuid, created_time bigint, entry blob,
    PRIMARY KEY ((user_id, request_id))
)
"""

_JOB_CHANGES = """
CREATE TABLE IF NOT EXISTS job_changes (
    job_id uuid, block int, version int,
    record blob, payload_version int, actor text, reason text, change_time bigint,
    PRIMARY KEY ((job_id, block), version)
)
"""

_TASK_SCHEDULE = """
CREATE TABLE IF NOT EXISTS task_schedule (
    bucket bigint, segment int, shard int,
    next_execution_time bigint, job_id uuid, kind tinyint, schedule_time bigint, run_id text,
    generation int, entry blob,
    PRIMARY KEY ((bucket, segment, shard),
                 next_execution_time, job_id, kind, schedule_time, run_id, generation)
)
"""

_SEGMENT_BUCKETS = """
CREATE TABLE IF NOT EXISTS segment_buckets (
    segment int, hour int, shard int,
    PRIMARY KEY ((segment), hour, shard)
)
"""

_INBOX = """
CREATE TABLE IF NOT EXISTS inbox (
    segment int, bucket bigint, write_time bigint, job_id uuid, version int, entry blob,
    PRIMARY KEY ((segment, bucket), write_time, job_id, version)
) WITH compaction = {'class': 'TimeWindowCompactionStrategy',
                     'compaction_window_unit': 'HOURS', 'compaction_window_size': '1'}
  AND gc_grace_seconds = 86400
"""

_INBOX_HOURS = """
CREATE TABLE IF NOT EXISTS inbox_hours (
    segment int, hour int,
    PRIMARY KEY ((segment), hour)
) WITH gc_grace_seconds = 86400
"""

_SEGMENT_STATE = """
CREATE TABLE IF NOT EXISTS segment_state (
    segment int PRIMARY KEY, position bigint
)
"""

_SEGMENT_ZONES = """
CREATE TABLE IF NOT EXISTS segment_zones (
    segment int PRIMARY KEY, zone_data text
)
"""

_RUN_LOG = """
CREATE TABLE IF NOT EXISTS run_log (
    bucket bigint, segment int, shard int,
    update_time bigint, job_id uuid, run_id text, revision int,
    epoch bigint, user_id text, record blob,
    PRIMARY KEY ((bucket, segment, shard), update_time, job_id, run_id, revision)
) WITH CLUSTERING ORDER BY (update_time DESC, job_id DESC, run_id DESC, revision DESC)
  AND compaction = {'class': 'TimeWindowCompactionStrategy',
                    'compaction_window_unit': 'HOURS', 'compaction_window_size': '6'}
  AND gc_grace_seconds = 86400
"""

_RUN_LOG_HOURS = """
CREATE TABLE IF NOT EXISTS run_log_hours (
    scope tinyint, hour int,
    PRIMARY KEY ((scope), hour)
) WITH CLUSTERING ORDER BY (hour DESC)
"""

_RUN_LOG_BUCKETS = """
CREATE TABLE IF NOT EXISTS run_log_buckets (
    hour int, bucket bigint, segment int, shard int,
    PRIMARY KEY ((hour), bucket, segment, shard)
) WITH CLUSTERING ORDER BY (bucket DESC, segment ASC, shard ASC)
"""

_TASK_HISTORY = """
CREATE TABLE IF NOT EXISTS task_history (
    job_id uuid, week int, execution_time bigint, run_id text,
    status text, retry_count int, last_update_time bigint, record blob,
    PRIMARY KEY ((job_id, week), execution_time, run_id)
) WITH CLUSTERING ORDER BY (execution_time DESC, run_id DESC)
  AND compaction = {'class': 'TimeWindowCompactionStrategy',
                    'compaction_window_unit': 'DAYS', 'compaction_window_size': '1'}
  AND gc_grace_seconds = 86400
"""

_HISTORY_WEEKS = """
CREATE TABLE IF NOT EXISTS history_weeks (
    job_id uuid, week int,
    PRIMARY KEY ((job_id), week)
) WITH CLUSTERING ORDER BY (week DESC)
"""

_SCHEDULER_SESSIONS = """
CREATE TABLE IF NOT EXISTS scheduler_sessions (
    session_id text PRIMARY KEY,
    address text, beat bigint, lease_until bigint, closed boolean, program text
)
"""

_SEGMENTS = """
CREATE TABLE IF NOT EXISTS segments (
    segment int PRIMARY KEY, epoch bigint, session_id text, address text, floor_us bigint
)
"""

_JOB_EXPIRY = """
CREATE TABLE IF NOT EXISTS job_expiry (
    segment int, day int, user_id text, job_id uuid,
    PRIMARY KEY ((segment, day), user_id, job_id)
)
"""

_JOB_EXPIRY_DAYS = """
CREATE TABLE IF NOT EXISTS job_expiry_days (
    segment int, day int,
    PRIMARY KEY ((segment), day)
)
"""

_OPEN_RUNS = """
CREATE TABLE IF NOT EXISTS open_runs (
    segment int, bucket bigint, job_id uuid, run_id text, record blob,
    PRIMARY KEY ((segment, bucket), job_id, run_id)
) WITH gc_grace_seconds = 86400
"""

_OPEN_RUN_BUCKETS = """
CREATE TABLE IF NOT EXISTS open_run_buckets (
    segment int, bucket bigint,
    PRIMARY KEY ((segment), bucket)
) WITH gc_grace_seconds = 86400
"""

STEPS: Final = (
    Step(
        1,
        "jobs, schedule, runs, leases",
        (
            _JOB_TABLE,
            _JOB_PAYLOADS,
            _USER_BLOCKS,
            _USER_PERIODS,
            _JOB_IDS,
            _REQUEST_IDS,
            _JOB_CHANGES,
            _TASK_SCHEDULE,
            _SEGMENT_BUCKETS,
            _INBOX,
            _INBOX_HOURS,
            _SEGMENT_STATE,
            _RUN_LOG,
            _RUN_LOG_HOURS,
            _RUN_LOG_BUCKETS,
            _TASK_HISTORY,
            _HISTORY_WEEKS,
            _SCHEDULER_SESSIONS,
            _SEGMENTS,
            _JOB_EXPIRY,
            _JOB_EXPIRY_DAYS,
        ),
    ),
    Step(2, "open runs", (_OPEN_RUNS, _OPEN_RUN_BUCKETS)),
    Step(3, "time-zone data", (_SEGMENT_ZONES,)),
)
#: What this program needs, at least.
SCHEMA_VERSION: Final = STEPS[-1].version
