import pytest
from google.rpc import status_pb2

from tickwheel.server.bench.repeat import Repeats
from tickwheel.v1 import job_pb2, job_service_pb2

Request = job_service_pb2.BatchCreateJobsRequest
Response = job_service_pb2.BatchCreateJobsResponse
UNAVAILABLE, INVALID_ARGUMENT = 14, 3


def batch(*ids: str) -> Request:
    return Request(
        parent="users/u", requests=[job_service_pb2.CreateJobRequest(job_id=one) for one in ids]
    )


class Server:
    """Refuses each job as often, and with that code, as it is told."""

    def __init__(self, code: int, **times: int) -> None:
        self._code = code
        self._times = times
        self.calls: list[list[str]] = []

    async def create(self, request: Request) -> Response:
        ids = [each.job_id for each in request.requests]
        self.calls.append(ids)
        return Response(results=[self._one(each) for each in ids])

    def _one(self, job_id: str) -> job_service_pb2.BatchCreateJobsResult:
        if self._times.get(job_id, 0):
            self._times[job_id] -= 1
            return job_service_pb2.BatchCreateJobsResult(
                error=status_pb2.Status(code=self._code, message="no")
            )
        return job_service_pb2.BatchCreateJobsResult(job=job_pb2.Job(name=job_id))


async def test_what_was_not_stored_is_repeated_alone_and_keeps_its_place() -> None:
    server, repeats = Server(UNAVAILABLE, b=2, d=1), Repeats()
    made = await repeats.batch(server.create, batch("a", "b", "c", "d"))
    assert [job.name for job in made] == ["a", "b", "c", "d"]
    assert server.calls == [["a", "b", "c", "d"], ["b", "d"], ["b"]]
    assert repeats.count == 3


async def test_a_refusal_is_not_repeated() -> None:
    server = Server(INVALID_ARGUMENT, a=1)
    with pytest.raises(RuntimeError, match="a job was refused: no"):
        await Repeats().batch(server.create, batch("a"))
    assert len(server.calls) == 1
