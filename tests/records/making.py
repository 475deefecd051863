from collections.abc import Iterable

from tickwheel.server.records.group import Position
from tickwheel.server.records.record import NewRecord
from tickwheel.v1 import executor_service_pb2 as pb


def record(value: bytes = b"v", *, key: bytes | None = b"k", topic: str = "t") -> NewRecord:
    return NewRecord(topic, key, [("ce_id", value[:20])], value)


def numbered(count: int, *, key: bytes | None = b"k", topic: str = "t") -> list[NewRecord]:
    return [record(b"%d" % number, key=key, topic=topic) for number in range(count)]


def values(records: Iterable[pb.Record] | pb.PullRecordsResponse) -> list[bytes]:
    found = records.records if isinstance(records, pb.PullRecordsResponse) else records
    return [record.value for record in found]


def positions(response: pb.PullRecordsResponse) -> list[Position]:
    return [Position(record.partition, record.offset) for record in response.records]
