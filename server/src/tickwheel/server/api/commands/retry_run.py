"""RetryRun."""

from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.commands.get_run import GetRun
from tickwheel.server.convert.run import run_message
from tickwheel.server.domain.errors import JobNotFound, RunStateWrong
from tickwheel.server.domain.job import Payload, PayloadKind
from tickwheel.server.domain.names import RunName, retry_run_id
from tickwheel.server.domain.run import Run
from tickwheel.server.owner.port import Owners, TriggerRequest
from tickwheel.server.store.port import Store
from tickwheel.server.trace import current_traceparent
from tickwheel.v1 import run_pb2


@dataclass(frozen=True, slots=True)
class RetryRun:
    """Makes a new run of one that has ended."""

    store: Store
    owners: Owners
    runs: GetRun

    async def run(self, name: RunName, request_id: str) -> run_pb2.Run:
        """The new run as its owner has stored it; the same request_id gives the same one.

        Raises:
            RunNotFound: there is no such run.
            JobNotFound: its job is gone.
            RunStateWrong: it has not ended.
            SegmentUnowned: no owner answers; nothing was run.
        """
        old = await self.runs.run(name)
        if not old.state.is_final:
            raise RunStateWrong(
                f"{name} has not ended: it is {old.state.name}",
                run=str(name),
                state=f"RUN_STATE_{old.state.name}",
            )
        job = (await self.store.jobs.get_many([old.key])).get(old.key)
        if job is None or job.delete_ms:
            raise JobNotFound(f"there is no job {name.job} any more", job=str(name.job))
        number = 1
        while True:
            run_id = retry_run_id(old.run_id, number)
            existing = await self.store.runs.get(old.job_uid, run_id)
            if existing is None:
                break
            if request_id and _detail(existing).request_id == request_id:
                return run_message(existing)
            number += 1
        detail = _detail(old)
        return await self.owners.trigger(
            TriggerRequest(
                job=job,
                run_id=run_id,
                schedule_ms=old.schedule_ms,
                payload=_payload(detail),
                content_type=detail.content_type,
                traceparent=current_traceparent(),
                retried_run=old.run_id,
                request_id=request_id,
            )
        )


def _detail(run: Run) -> owner_service_pb2.TriggerRunRequest:
    return owner_service_pb2.TriggerRunRequest.FromString(run.detail)


def _payload(detail: owner_service_pb2.TriggerRunRequest) -> Payload | None:
    """What the old run had in place of the job's payload."""
    if not detail.payload_given:
        return None
    return Payload(PayloadKind(detail.payload_kind), detail.payload)
