"""What a single run has instead of its job's own, as kept in its schedule entry. Pure."""

from dataclasses import dataclass

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.domain.job import Payload, PayloadKind
from tickwheel.server.owner.port import TriggerRequest


@dataclass(frozen=True, slots=True)
class Override:
    """None and empty mean: as the job has it."""

    payload: Payload | None = None
    content_type: str = ""
    #: The call that asked for the run, to which its trace is linked.
    traceparent: str = ""
    #: Number of tickwheel.v1.Overlap; 0: as the job has it.
    overlap_policy: int = 0
    #: The run that is tried again.
    retried_run: str = ""
    #: Of who asked for that.
    request_id: str = ""
    request_digest: bytes = b""


def encode_override(request: TriggerRequest) -> bytes:
    """The entry's `detail`."""
    payload = request.payload
    return owner_service_pb2.TriggerRunRequest(
        payload_given=payload is not None,
        payload=payload.data if payload else b"",
        payload_kind=payload.kind if payload else 0,
        content_type=request.content_type,
        traceparent=request.traceparent,
        overlap_policy=request.overlap_policy,
        retried_run=request.retried_run,
        request_id=request.request_id,
        request_digest=request.request_digest,
    ).SerializeToString()


def asked_by(traceparent: str) -> bytes:
    """The `detail` of a run that differs from the job in nothing but by whose call it is there."""
    return owner_service_pb2.TriggerRunRequest(traceparent=traceparent).SerializeToString()


def decode_override(detail: bytes) -> Override:
    """What `encode_override` made; empty for an entry without."""
    return override_of(owner_service_pb2.TriggerRunRequest.FromString(detail))


def override_of(message: owner_service_pb2.TriggerRunRequest) -> Override:
    """What the request names in place of the job's own."""
    payload = Payload(PayloadKind(message.payload_kind), message.payload)
    return Override(
        payload if message.payload_given else None,
        message.content_type,
        message.traceparent,
        message.overlap_policy,
        message.retried_run,
        message.request_id,
        message.request_digest,
    )
