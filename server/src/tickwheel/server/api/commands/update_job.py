"""UpdateJob."""

from dataclasses import dataclass, replace

from tickwheel.server.api.admission import Admission, first_entry, first_occurrence
from tickwheel.server.api.commands.change import Change, JobChanger, check_etag
from tickwheel.server.api.counting import occurrences_done
from tickwheel.server.api.errors import schedule_invalid
from tickwheel.server.api.field_mask import UpdateMask, apply, check_output_only
from tickwheel.server.convert.job import clear_derived, job_message
from tickwheel.server.convert.schedule import schedule_spec
from tickwheel.server.domain.errors import JobNotFound
from tickwheel.server.domain.job import EMPTY_PAYLOAD, Job, Payload
from tickwheel.server.domain.names import JobName
from tickwheel.server.domain.occurrence import KEEP_ORDINAL
from tickwheel.server.schedule import ScheduleError
from tickwheel.server.store.port import INBOX_HORIZON_MS
from tickwheel.v1 import job_pb2

_PATH = "job"


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many occurrences count towards `max_runs`, as it was read."""

    ordinal: int
    #: As it was then; None where nothing was counted.
    job: Job | None = None
    #: Nothing of that job comes due before this instant, Unix milliseconds.
    until_ms: int = 0

    def ordinal_of(self, job: Job, now_ms: int) -> int:
        """The count at an instant, unless it may be another one by then: its owner counts."""
        if self.job is None or job.generation != self.job.generation or now_ms >= self.until_ms:
            return KEEP_ORDINAL
        return self.ordinal


_UNCOUNTED = _Counted(KEEP_ORDINAL)


@dataclass(frozen=True, slots=True)
class UpdateJob:
    """Changes the fields of a job that a mask names."""

    changer: JobChanger
    admission: Admission

    async def run(self, name: JobName, source: job_pb2.Job, mask: UpdateMask, actor: str) -> Job:
        """Returns the job once no occurrence can fire any more as it was before.

        A schedule that really differs begins anew from now on, also when the job was completed;
        what counts towards `max_runs` is kept.

        Args:
            name: which job.
            source: the client's job; its payload is taken out of it, its etag is heeded.
            mask: the fields to take from it.
            actor: who wants it, for people.

        Raises:
            InvalidInput: names the field.
            JobNotFound, EtagMismatch, Contention, ChangeUnconfirmed: see JobChanger.change.
        """
        payload = self._payload(source, mask)
        counted = await self._count(name, source.etag, mask)

        def decide(job: Job, now_ms: int) -> Change | None:
            check_output_only(mask, source, job_message(job))
            spec = job_pb2.Job()
            spec.CopyFrom(job.spec)
            clear_derived(spec, job.payload.kind)
            apply(mask, source, spec)
            kept = job.payload if payload is None else payload
            self.admission.complete(spec, kept.kind, _PATH)
            if spec == job.spec and kept == job.payload:
                return None
            after = replace(job, spec=spec, payload=kept, version=job.version + 1, update_ms=now_ms)
            if _means_the_same(spec, job.spec):
                return Change(after, reason="updated")
            return _reschedule(after, now_ms, counted.ordinal_of(job, now_ms))

        return await self.changer.change(name, source.etag, actor, decide)

    def _payload(self, source: job_pb2.Job, mask: UpdateMask) -> Payload | None:
        """The new payload; None where it stays."""
        payload = EMPTY_PAYLOAD
        if source.target.HasField("payload"):
            if mask.payload:
                payload = self.admission.payload(source.target.payload, f"{_PATH}.target.payload")
            source.target.ClearField("payload")
        return payload if mask.payload else None

    async def _count(self, name: JobName, etag: str, mask: UpdateMask) -> _Counted:
        """What the entry of a new schedule counts from."""
        if not any(path[0] == "schedule" for path in mask.paths):
            return _UNCOUNTED
        job = await self.changer.store.jobs.find(name.user, name.job_id)
        if job is None:
            raise JobNotFound(f"there is no job {name}", job=str(name))
        check_etag(job, etag)
        # What is due sooner its owner holds in memory and may advance meanwhile, so it counts.
        now_ms = self.changer.clock.now_ms()
        done = await occurrences_done(
            self.changer.store.schedule, job, now_ms, margin_ms=INBOX_HORIZON_MS
        )
        return _UNCOUNTED if done is None else _Counted(done, job, now_ms + INBOX_HORIZON_MS)


def _means_the_same(spec: job_pb2.Job, other: job_pb2.Job) -> bool:
    try:
        return spec.HasField("schedule") and schedule_spec(spec.schedule) == schedule_spec(
            other.schedule
        )
    except ScheduleError as error:
        raise schedule_invalid(error, f"{_PATH}.schedule") from error


def _reschedule(job: Job, now_ms: int, ordinal: int) -> Change:
    # Nothing at or before this instant is run by the new schedule: the old one may have run it.
    from_ms = now_ms + 1
    first = first_occurrence(
        job.spec, job.uid, create_ms=job.create_ms, from_ms=from_ms, path=_PATH
    )
    after = replace(job, generation=job.generation + 1, complete_ms=0, schedule_from_ms=from_ms)
    return Change(
        after, first_entry(after, first, now_ms, ordinal=ordinal), reason="schedule updated"
    )
