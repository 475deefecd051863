"""RunJob."""

import base64
import os
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from tickwheel.server.api.admission import Admission
from tickwheel.server.convert.payload import CONTENT_TYPES
from tickwheel.server.convert.run import run_message
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import JobNotFound, RequestIdReused
from tickwheel.server.domain.job import Job, Payload
from tickwheel.server.domain.names import JobName, manual_run_id
from tickwheel.server.owner.port import Owners, TriggerRequest
from tickwheel.server.store.port import Store
from tickwheel.server.trace import current_traceparent
from tickwheel.v1 import job_service_pb2, run_pb2

#: When a request came first, Unix milliseconds: by that its run is named, however often it comes.
_ASKED = Struct(">q")


@dataclass(frozen=True, slots=True)
class RunJob:
    """Runs a job now, beside its schedule."""

    store: Store
    owners: Owners
    clock: Clock
    admission: Admission

    async def run(self, name: JobName, request: job_service_pb2.RunJobRequest) -> run_pb2.Run:
        """Returns the run as its owner has stored it.

        Raises:
            JobNotFound: there is no such job.
            InvalidInput: the payload is over the limit.
            RequestIdReused: the request_id came before with another payload or policy.
            SegmentUnowned: no owner answers; nothing was run.
        """
        payload = None
        if request.HasField("payload"):
            payload = self.admission.payload(request.payload, "payload")
        job = await self.store.jobs.find(name.user, name.job_id)
        if job is None:
            raise JobNotFound(f"there is no job {name}", job=str(name))
        mark = _mark(request.request_id)
        digest = _digest(payload, request.overlap_policy) if request.request_id else b""
        now_ms = self.clock.now_ms()
        if request.request_id:
            content = digest + _ASKED.pack(now_ms)
            key = _key(job.uid, request.request_id)
            before = await self.store.jobs.remember_request(job.user, key, content, job.uid)
            if not before.startswith(digest):
                raise RequestIdReused(
                    "the request_id was used for a run with another payload or overlap policy"
                )
            (now_ms,) = _ASKED.unpack(before[len(digest) :])
            earlier = await self.store.runs.get(job.uid, manual_run_id(now_ms, mark))
            if earlier is not None:
                return run_message(earlier)
        return await self.owners.trigger(
            TriggerRequest(
                job=job,
                run_id=manual_run_id(now_ms, mark),
                schedule_ms=now_ms,
                payload=payload,
                content_type=_content_type(job, payload),
                overlap_policy=request.overlap_policy,
                traceparent=current_traceparent(),
                request_digest=digest,
            )
        )


def _mark(request_id: str) -> str:
    """8 characters of [a-z2-7]."""
    raw = blake2b(request_id.encode(), digest_size=5).digest() if request_id else os.urandom(5)
    return base64.b32encode(raw).decode().lower()


def _digest(payload: Payload | None, overlap_policy: int) -> bytes:
    content = b"-" if payload is None else b"%d/%b" % (payload.kind, payload.data)
    return blake2b(b"%d/%b" % (overlap_policy, content), digest_size=8).digest()


def _key(uid: str, request_id: str) -> str:
    """Names the request: one of the same id that creates a job is another one."""
    return f"run/{blake2b(f'{uid}/{request_id}'.encode()).hexdigest()}"


def _content_type(job: Job, payload: Payload | None) -> str:
    """What goes with a payload given for one run: the job's own type where the kind is the same."""
    if payload is None or payload.kind == job.payload.kind:
        return ""
    return CONTENT_TYPES[payload.kind]
