"""Messages and records with everything filled in that a test does not care about."""

from collections.abc import Sequence

from tickwheel.v1 import scheduler_service_pb2 as pb
from tickwheel.worker.publisher.port import Permit, Record
from tickwheel.worker.publisher.records import record_of

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
FOREVER = Permit(1 << 62)


def key(name: str, segment: int = 0, attempt: int = 1, job: str | None = None) -> pb.RunKey:
    """The run `name` of the job `job`, which is called like the run unless told otherwise."""
    return pb.RunKey(job_uid=job or f"uid-{name}", run_id=name, attempt=attempt, segment=segment)


def assignment(
    name: str,
    due_ms: int = NOW_MS,
    *,
    segment: int = 0,
    epoch: int = 1,
    attempt: int = 1,
    priority: int = 5,
    job: str | None = None,
    topic: str = "topic",
    expire_ms: int | None = None,
    payload: bytes = b"{}",
    key_text: str | None = None,
    headers: dict[str, str] | None = None,
) -> pb.Assignment:
    return pb.Assignment(
        key=key(name, segment, attempt, job),
        epoch=epoch,
        due_ms=due_ms,
        schedule_ms=due_ms,
        expire_ms=due_ms + HOUR_MS if expire_ms is None else expire_ms,
        job_name=f"users/7/jobs/{name}",
        topic=topic,
        key_text=f"users/7/jobs/{name}" if key_text is None else key_text,
        type="tickwheel.run",
        content_type="application/json",
        headers=headers or {},
        payload=payload,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        priority=priority,
    )


def record(
    name: str,
    *,
    topic: str,
    payload: bytes = b"{}",
    permit: Permit = FOREVER,
    expire_ms: int = 1 << 62,
    key_text: str | None = None,
    headers: dict[str, str] | None = None,
) -> Record:
    made = assignment(
        name,
        topic=topic,
        payload=payload,
        key_text=key_text,
        headers=headers,
    )
    return record_of(made, permit, expire_ms)


def welcome(
    scheduler: str = "s1", wall_ms: int = NOW_MS, lease_ms: int = 3_000
) -> pb.ConnectResponse:
    return pb.ConnectResponse(
        welcome=pb.Welcome(
            scheduler_id=scheduler,
            protocol_version=1,
            heartbeat_interval_ms=500,
            lease_ms=lease_ms,
            clock=pb.Clock(wall_ms=wall_ms),
        )
    )


def heartbeat_ack(sequence: int, wall_ms: int, permission_ms: int = 2_500) -> pb.ConnectResponse:
    return pb.ConnectResponse(
        heartbeat_ack=pb.HeartbeatAck(
            sequence=sequence, clock=pb.Clock(wall_ms=wall_ms), permission_ms=permission_ms
        )
    )


def segments(epochs: dict[int, int]) -> pb.ConnectResponse:
    named = [pb.SegmentEpoch(segment=s, epoch=e) for s, e in sorted(epochs.items())]
    return pb.ConnectResponse(segments=pb.Segments(segments=named))


def assignments(*given: pb.Assignment) -> pb.ConnectResponse:
    return pb.ConnectResponse(assignments=pb.Assignments(assignments=given))


def revocation(
    number: int,
    *,
    jobs: Sequence[str] = (),
    epochs: dict[int, int] | None = None,
    keys: Sequence[pb.RunKey] = (),
) -> pb.ConnectResponse:
    named = [pb.SegmentEpoch(segment=s, epoch=e) for s, e in (epochs or {}).items()]
    return pb.ConnectResponse(
        revocation=pb.Revocation(revocation_id=number, job_uids=jobs, segments=named, keys=keys)
    )


def outcome_acks(*keys: pb.RunKey) -> pb.ConnectResponse:
    return pb.ConnectResponse(outcome_acks=pb.OutcomeAcks(keys=keys))


def topology(*addresses: str) -> pb.ConnectResponse:
    return pb.ConnectResponse(topology=pb.Topology(scheduler_addresses=addresses))
