"""Jobs as plans write them, and as clients send them."""

from typing import Any

from simulator.plan import Args
from tickwheel.v1 import job_pb2

USER = "sim"
_POLICIES: dict[str, "job_pb2.Overlap"] = {
    "SKIP": job_pb2.OVERLAP_SKIP,
    "BUFFER_ONE": job_pb2.OVERLAP_BUFFER_ONE,
    "BUFFER_ALL": job_pb2.OVERLAP_BUFFER_ALL,
    "CANCEL_OTHER": job_pb2.OVERLAP_CANCEL_OTHER,
    "ALLOW_ALL": job_pb2.OVERLAP_ALLOW_ALL,
}
PARENT = f"users/{USER}"


def job_name(job_id: str) -> str:
    """The resource name."""
    return f"{PARENT}/jobs/{job_id}"


def job_message(args: Args, start_ms: int) -> job_pb2.Job:
    """The message of a job.

    Args:
        args: `schedule` (see `_schedule`), `topic`, `payload` (text); `window_s` and `retries`
            where they are not to be the defaults; of one that executors report also `overlap`
            and `timeout_s`.
        start_ms: the beginning of the simulation, Unix milliseconds.
    """
    job = job_pb2.Job()
    fill_schedule(job, args["schedule"], start_ms)
    job.target.topic = args["topic"]
    job.target.payload.text = args["payload"]
    if "window_s" in args:
        job.catch_up_window.seconds = args["window_s"]
    if "overlap" in args:
        job.completion = job_pb2.COMPLETION_REPORTED
        job.overlap_policy = _POLICIES[args["overlap"]]
        job.run_timeout.seconds = args["timeout_s"]
    if "retries" in args:
        job.retry_policy.max_retry_count = args["retries"]
        job.retry_policy.initial_backoff.seconds = 1
        job.retry_policy.max_backoff.seconds = 2
        job.retry_policy.backoff_multiplier = 2
    return job


def fill_schedule(job: job_pb2.Job, args: Args, start_ms: int) -> None:
    """Writes a schedule into a job; instants are given since the beginning, all in milliseconds."""
    schedule = job.schedule
    forms: dict[str, Any] = dict(args)
    if "at" in forms:
        schedule.at.FromMilliseconds(start_ms + forms["at"])
    if "every" in forms:
        schedule.every.FromMilliseconds(forms["every"])
    if "cron" in forms:
        schedule.cron = forms["cron"]
    if "jitter" in forms:
        schedule.jitter.FromMilliseconds(forms["jitter"])
    if "end" in forms:
        schedule.end_time.FromMilliseconds(start_ms + forms["end"])
    if "max_runs" in forms:
        schedule.max_runs = forms["max_runs"]
