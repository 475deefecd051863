"""What a job's message says about its runs, in the units the scheduler counts in. Pure."""

from hashlib import blake2b

from google.protobuf import duration_pb2

from tickwheel.v1 import job_pb2

#: Published runs are retried against a log that does not answer for at least this long.
MIN_PUBLISH_WINDOW_MS = 3_600_000
#: A backoff is longer than the policy says by up to this part, so that what failed together is
#: not tried again together.
BACKOFF_SPREAD = 0.1


def retention_ms(spec: job_pb2.Job) -> int:
    """How long runs of the job are kept, in milliseconds."""
    return _ms(spec.retention)


def catch_up_ms(spec: job_pb2.Job) -> int | None:
    """The job's catch-up window in milliseconds; None: without end, as for a one-off job."""
    return _ms(spec.catch_up_window) if spec.HasField("catch_up_window") else None


def is_missed(spec: job_pb2.Job, due_ms: int, now_ms: int) -> bool:
    """Whether an occurrence of the job has been due for longer than its catch-up window."""
    window = catch_up_ms(spec)
    return window is not None and due_ms < now_ms - window


def is_reported(spec: job_pb2.Job) -> bool:
    """Whether an executor has to say that a run has succeeded."""
    return spec.completion == job_pb2.COMPLETION_REPORTED


def run_timeout_ms(spec: job_pb2.Job) -> int:
    """How long an attempt may take from its publication on, in milliseconds."""
    return _ms(spec.run_timeout)


def backoff_ms(policy: job_pb2.RetryPolicy, attempt: int, salt: str) -> int:
    """How long to wait after the `attempt`-th failure, in milliseconds.

    Args:
        policy: the job's.
        attempt: from 1.
        salt: names the run; the same wait is computed for it by whoever owns it.
    """
    initial, longest = _ms(policy.initial_backoff), _ms(policy.max_backoff)
    # A large power of a large multiplier is no float any more.
    steps = min(attempt - 1, 64)
    wait = min(longest, initial * policy.backoff_multiplier**steps)
    digest = blake2b(f"{salt}/{attempt}".encode(), digest_size=4).digest()
    return int(wait * (1 + BACKOFF_SPREAD * int.from_bytes(digest) / 2**32))


def expire_ms(spec: job_pb2.Job, fire_ms: int, now_ms: int) -> int:
    """Until when a worker tries to publish an attempt against a log that does not answer.

    Counted from when it may be published, but for a job without a catch-up window, which runs
    however late it is: what is long due when it is first handed out has its time from then.
    """
    window = catch_up_ms(spec)
    if window is None:
        return max(fire_ms, now_ms) + MIN_PUBLISH_WINDOW_MS
    return fire_ms + max(window, MIN_PUBLISH_WINDOW_MS)


def _ms(duration: duration_pb2.Duration) -> int:
    return duration.seconds * 1000 + duration.nanos // 1_000_000
