"""RunJob."""

import base64
import os
from dataclasses import dataclass
from hashlib import blake2b

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.admission import Admission
from tickwheel.server.convert.payload import CONTENT_TYPES
from tickwheel.server.convert.run import run_message
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import JobNotFound, RequestIdReused
from tickwheel.server.domain.job import Job, Payload
from tickwheel.server.domain.names import JobName, manual_run_id
from tickwheel.server.domain.run import Run, Trigger
from tickwheel.server.owner.port import Owners, TriggerRequest
from tickwheel.server.store.port import Store
from tickwheel.server.trace import current_traceparent
from tickwheel.v1 import job_service_pb2, run_pb2

#: How long a request_id is remembered, in ms (AIP-155).
_REMEMBERED_MS = 86_400_000
_PAGE = 1_000


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
        if request.request_id:
            earlier = await self._earlier(job, mark)
            if earlier is not None:
                _check_same(earlier, digest)
                return run_message(earlier)
        now_ms = self.clock.now_ms()
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

    async def _earlier(self, job: Job, mark: str) -> Run | None:
        """The run that an earlier request with the same request_id has made.

        The nominal instant in a run's id is not known from the request_id, so the job's runs of
        the last day are looked through. Two such requests at the very same time may both run.
        """
        ending = f"-m-{mark}"
        start_ms = self.clock.now_ms() - _REMEMBERED_MS
        cursor: bytes | None = b""
        while cursor is not None:
            page = await self.store.runs.list_job(job.uid, cursor, _PAGE, start_ms=start_ms)
            for run in page.items:
                if run.trigger is Trigger.MANUAL and run.run_id.endswith(ending):
                    return run
            cursor = page.cursor
        return None


def _mark(request_id: str) -> str:
    """8 characters of [a-z2-7]."""
    raw = blake2b(request_id.encode(), digest_size=5).digest() if request_id else os.urandom(5)
    return base64.b32encode(raw).decode().lower()


def _digest(payload: Payload | None, overlap_policy: int) -> bytes:
    content = b"-" if payload is None else b"%d/%b" % (payload.kind, payload.data)
    return blake2b(b"%d/%b" % (overlap_policy, content), digest_size=8).digest()


def _check_same(earlier: Run, digest: bytes) -> None:
    before = owner_service_pb2.TriggerRunRequest.FromString(earlier.detail).request_digest
    if before != digest:
        raise RequestIdReused(
            f"the request_id was used for {earlier.name} with another payload or overlap policy",
            run=str(earlier.name),
        )


def _content_type(job: Job, payload: Payload | None) -> str:
    """What goes with a payload given for one run: the job's own type where the kind is the same."""
    if payload is None or payload.kind == job.payload.kind:
        return ""
    return CONTENT_TYPES[payload.kind]
