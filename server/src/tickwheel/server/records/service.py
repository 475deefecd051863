"""PullRecords and AckRecords of the contract, on the embedded log."""

from tickwheel.server.convert.instants import duration_ms
from tickwheel.server.domain.errors import FieldViolation, InvalidInput
from tickwheel.server.records.group import Position
from tickwheel.server.records.log import RecordLog
from tickwheel.server.records.wire import is_topic
from tickwheel.v1 import errors_pb2
from tickwheel.v1 import executor_service_pb2 as pb

_DEFAULT_MAX = 100
_DEFAULT_SESSION_TIMEOUT_MS = 30_000


class RecordService:
    """Answers the two methods. Requests have been checked against the contract's rules before.

    Both methods may raise LogUnavailable, and InvalidInput for a topic that cannot be.
    """

    def __init__(self, log: RecordLog) -> None:
        self._log = log

    async def pull(self, request: pb.PullRecordsRequest) -> pb.PullRecordsResponse:
        """Hands out records, and waits for them where the request asks for that."""
        _check_topic(request.topic)
        timeout_ms = _DEFAULT_SESSION_TIMEOUT_MS
        if request.HasField("session_timeout"):
            timeout_ms = duration_ms(request.session_timeout)
        return await self._log.pull(
            request.topic,
            request.group,
            limit=request.max if request.HasField("max") else _DEFAULT_MAX,
            wait_ms=duration_ms(request.wait),
            consumer=request.consumer,
            session_timeout_ms=timeout_ms,
            start_at_end=request.start_at_end,
        )

    async def ack(self, request: pb.AckRecordsRequest) -> pb.AckRecordsResponse:
        """Acknowledges records; they are on the disk as such when this returns."""
        _check_topic(request.topic)
        await self._log.ack(
            request.topic,
            request.group,
            [Position(record.partition, record.offset) for record in request.records],
        )
        return pb.AckRecordsResponse()

    def stop(self) -> None:
        """Has waiting pulls answer at once, now and later, so that the server can stop."""
        self._log.stop_waiting()


def _check_topic(topic: str) -> None:
    # The pattern in the contract lets "." and ".." pass, which Kafka does not.
    if not is_topic(topic):
        description = "must be 1-249 of letters, digits, '.', '_', '-', and not '.' or '..'"
        raise InvalidInput(
            errors_pb2.FIELD_INVALID,
            f"topic: {description}",
            (FieldViolation("topic", description),),
        )
