"""StartRuns, HeartbeatRuns, FinishRuns: what executors report goes to the owners of the jobs."""

from collections.abc import Sequence
from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.api.resource_names import run_name
from tickwheel.server.api.segments import Segments
from tickwheel.server.domain.errors import RunNotFound, TickwheelError
from tickwheel.server.domain.names import RunName, is_uuid7, segment_of
from tickwheel.server.owner.port import Owners
from tickwheel.server.owner.refusals import error_of
from tickwheel.server.store.port import Store
from tickwheel.v1 import executor_service_pb2

Accepted = owner_service_pb2.RunReportResult
#: A report whose job is not filled in yet, or why it is refused.
Item = owner_service_pb2.RunReport | TickwheelError


@dataclass(frozen=True, slots=True)
class ReportRuns:
    """Passes reports on, each by itself."""

    store: Store
    owners: Owners
    segments: Segments

    async def run(self, items: Sequence[Item]) -> list[Accepted | TickwheelError]:
        """One result for each item, in order, once it is stored."""
        segments = await self.segments.count()
        results: list[Accepted | TickwheelError | None] = []
        sent: list[owner_service_pb2.RunReport] = []
        uids: dict[tuple[str, str], str] = {}
        for item in items:
            if not isinstance(item, TickwheelError):
                try:
                    await self._fill_in(item, segments, uids)
                except TickwheelError as error:
                    results.append(error)
                    continue
                sent.append(item)
                results.append(None)
            else:
                results.append(item)
        answers = iter(await self.owners.report(sent) if sent else ())
        return [_told(next(answers)) if result is None else result for result in results]

    async def _fill_in(
        self, report: owner_service_pb2.RunReport, segments: int, uids: dict[tuple[str, str], str]
    ) -> None:
        attempt = attempt_of(report)
        name = run_name(attempt.run)
        uid = attempt.job_uid or await self._uid(name, uids)
        if not is_uuid7(uid):
            raise RunNotFound(f"there is no run {name} of a job with uid {uid}", run=str(name))
        report.job.user = name.job.user
        report.job.job_uid = uid
        report.job.segment = segment_of(uid, segments)

    async def _uid(self, name: RunName, uids: dict[tuple[str, str], str]) -> str:
        key = (name.job.user, name.job.job_id)
        if key not in uids:
            job = await self.store.jobs.find(*key)
            if job is None:
                raise RunNotFound(f"there is no run {name}", run=str(name))
            uids[key] = job.uid
        return uids[key]


def attempt_of(report: owner_service_pb2.RunReport) -> executor_service_pb2.RunAttempt:
    """Which attempt a report is about."""
    match report.WhichOneof("what"):
        case "start":
            return report.start.attempt
        case "heartbeat":
            return report.heartbeat.attempt
        case _:
            return report.finish.attempt


def _told(answer: Accepted) -> Accepted | TickwheelError:
    return error_of(answer.refusal) if answer.HasField("refusal") else answer
