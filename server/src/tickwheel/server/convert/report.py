"""Executors' reports: from the contract's messages to the domain's."""

import json

from google.protobuf import struct_pb2

from tickwheel.internal.v1 import owner_service_pb2
from tickwheel.server.convert.payload import payload_of
from tickwheel.server.domain.report import (
    Failure,
    Finish,
    Heartbeat,
    Progress,
    Report,
    Start,
    cut_details,
)
from tickwheel.server.domain.run import RunState
from tickwheel.v1 import executor_service_pb2, run_pb2, target_pb2

#: What is kept of a failure (run.proto): characters, characters, bytes.
MAX_ERROR_MESSAGE = 4_096
MAX_ERROR_TYPE = 256
MAX_ERROR_DETAILS = 16_384


def report_of(message: owner_service_pb2.RunReport) -> Report:
    """One report, as the api passes it on."""
    kind = message.WhichOneof("what")
    match kind:
        case "start":
            attempt, what = message.start.attempt, Start()
        case "heartbeat":
            attempt, what = message.heartbeat.attempt, _heartbeat(message.heartbeat)
        case _:
            attempt, what = message.finish.attempt, _finish(message.finish)
    return Report(
        job_uid=message.job.job_uid,
        segment=message.job.segment,
        run_id=attempt.run.rpartition("/")[2],
        attempt=attempt.attempt,
        fence=attempt.fence,
        what=what,
        executor=message.executor,
        run_name=attempt.run,
    )


def result_of(value: struct_pb2.Value) -> bytes:
    """A result as compact JSON.

    Raises:
        NotJson: it holds NaN, an infinity, or a value of no kind.
    """
    return payload_of(target_pb2.Payload(json=value)).data


def put_result(result: bytes, value: struct_pb2.Value) -> None:
    """Writes what `result_of` made into an empty message."""
    struct_pb2.Value.MergeFrom(value, _value(json.loads(result)))


def _value(plain: object) -> struct_pb2.Value:
    holder = struct_pb2.ListValue()
    holder.append(plain)  # pyright: ignore[reportArgumentType]
    return holder.values[0]


def _heartbeat(message: executor_service_pb2.HeartbeatRun) -> Heartbeat:
    return Heartbeat(progress=_progress(message.progress) if message.HasField("progress") else None)


def _finish(message: executor_service_pb2.FinishRun) -> Finish:
    return Finish(
        state=RunState(message.state),
        retryable=message.retryable if message.HasField("retryable") else True,
        result=result_of(message.result) if message.HasField("result") else b"",
        failure=_failure(message.error) if message.HasField("error") else None,
        progress=_progress(message.progress) if message.HasField("progress") else None,
    )


def _progress(message: run_pb2.Progress) -> Progress:
    return Progress(fraction=message.fraction, message=message.message)


def _failure(message: run_pb2.RunError) -> Failure:
    return Failure(
        message=message.message[:MAX_ERROR_MESSAGE],
        type=message.type[:MAX_ERROR_TYPE],
        details=cut_details(message.details, MAX_ERROR_DETAILS),
    )
