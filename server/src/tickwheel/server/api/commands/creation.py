"""From a client's request to what the store creates: what single and batched creation share."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from tickwheel.server.api.admission import (
    Admission,
    creation_inbox,
    first_entry,
    first_occurrence,
)
from tickwheel.server.api.segments import Segments
from tickwheel.server.domain.clock import Clock
from tickwheel.server.domain.errors import (
    JobAlreadyExists,
    RequestIdReused,
    StoreUnavailable,
    TickwheelError,
)
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import new_uid, segment_of
from tickwheel.server.owner.port import Owners
from tickwheel.server.store.port import Created, CreateResult, IdContested, IdTaken, NewJob, Store
from tickwheel.server.trace import current_traceparent
from tickwheel.v1 import job_service_pb2

_DIGEST_SIZE = 16


@dataclass(frozen=True, slots=True)
class Creation:
    """Creates jobs."""

    store: Store
    owners: Owners
    clock: Clock
    admission: Admission
    segments: Segments

    def prepare(
        self,
        user: str,
        request: job_service_pb2.CreateJobRequest,
        segments: int,
        path: str = "job",
    ) -> NewJob:
        """What the store is to create for a request, which obeys the contract's rules.

        Args:
            user: the owner.
            request: the client's; its payload is taken out of it.
            segments: how many segments the store has.
            path: where the job stands in what the client sent.

        Raises:
            InvalidInput: names the field.
        """
        digest = _digest(user, request) if request.request_id else b""
        spec, payload = self.admission.take(request.job, path)
        now_ms = self.clock.now_ms()
        uid = new_uid()
        first = first_occurrence(spec, uid, create_ms=now_ms, from_ms=now_ms, path=path)
        job = Job(
            user=user,
            uid=uid,
            job_id=request.job_id or uid,
            segment=segment_of(uid, segments),
            spec=spec,
            payload=payload,
            create_ms=now_ms,
            update_ms=now_ms,
            schedule_from_ms=now_ms,
            traceparent=current_traceparent(),
        )
        entry = first_entry(job, first, now_ms, ordinal=0)
        return NewJob(
            job=job,
            entry=entry,
            inbox=creation_inbox(job, entry, now_ms),
            made_ms=now_ms,
            id_chosen=bool(request.job_id),
            request_id=request.request_id,
            request_digest=digest,
        )

    async def store_all(self, new: Sequence[NewJob]) -> list[Job | TickwheelError]:
        """Creates jobs and tells the owners of those that are due soon; one result for each."""
        results = await self.store.jobs.create(new)
        soon = [
            item.job
            for item, result in zip(new, results, strict=True)
            if item.inbox is not None and isinstance(result, Created) and not result.repeated
        ]
        if soon:
            self.owners.announce(soon)
        return [_outcome(item, result) for item, result in zip(new, results, strict=True)]

    async def rehearse(self, new: NewJob) -> Job:
        """The job as it would be created (AIP-163).

        Raises:
            JobAlreadyExists: the chosen id is taken.
        """
        job = new.job
        if new.id_chosen and await self.store.jobs.find(job.user, job.job_id) is not None:
            raise _taken(job)
        return job


def _outcome(new: NewJob, result: CreateResult) -> Job | TickwheelError:
    if isinstance(result, Created):
        return result.job
    if isinstance(result, IdTaken):
        return _taken(new.job)
    if isinstance(result, IdContested):
        return StoreUnavailable(f"another creation of {new.job.name} is under way; try again")
    return RequestIdReused(
        f"request_id {new.request_id!r} was used before with other content",
        requestId=new.request_id,
    )


def _taken(job: Job) -> JobAlreadyExists:
    return JobAlreadyExists(f"{job.name} exists already", job=str(job.name))


def _digest(user: str, request: job_service_pb2.CreateJobRequest) -> bytes:
    """Of what the client asked for, however it is written (AIP-155)."""
    content = job_service_pb2.CreateJobRequest()
    content.CopyFrom(request)
    content.parent = user
    content.ClearField("request_id")
    content.ClearField("validate_only")
    return blake2b(content.SerializeToString(deterministic=True), digest_size=_DIGEST_SIZE).digest()
