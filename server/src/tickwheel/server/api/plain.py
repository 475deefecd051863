"""A quick answer for ordinary requests, so that the full rules are only run where they can fail.

Checking a CreateJobRequest by protovalidate costs ~11 µs, most of what a job in a large batch
costs at all; this costs ~2. It says yes only where the rules in the proto say yes (a test holds it
to that), and for anything out of the ordinary it says no, which means: ask the rules.
"""

import re
from functools import lru_cache

from tickwheel.v1 import job_service_pb2

_PARENT = re.compile(r"users/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_JOB_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PLAIN_JOB = frozenset({"schedule", "target", "description"})
_PLAIN_SCHEDULE = frozenset({"at", "cron", "every"})
_PLAIN_TARGET = frozenset({"topic", "payload", "key"})


def is_plain(request: job_service_pb2.CreateJobRequest) -> bool:
    """Whether the request obeys the contract's rules for certain."""
    if not _is_parent(request.parent) or len(request.request_id) > 128:
        return False
    if request.job_id and _JOB_ID.fullmatch(request.job_id) is None:
        return False
    job = request.job
    for field, value in job.ListFields():
        name = field.name
        if name not in _PLAIN_JOB or (name == "description" and len(value) > 1024):
            return False
    for field, _ in job.schedule.ListFields():
        if field.name not in _PLAIN_SCHEDULE:
            return False
    for field, value in job.target.ListFields():
        name = field.name
        if name not in _PLAIN_TARGET:
            return False
        if name == "topic" and not _is_topic(value):
            return False
        if name == "key" and len(value) > 256:
            return False
    return request.HasField("job")


@lru_cache(maxsize=1024)
def _is_parent(text: str) -> bool:
    return _PARENT.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _is_topic(text: str) -> bool:
    return _TOPIC.fullmatch(text) is not None and text not in (".", "..")
