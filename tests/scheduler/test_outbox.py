"""What is sent to a worker, in which order and how much of it at a time."""

from tickwheel.server.scheduler.outbox import Outbox
from tickwheel.v1 import scheduler_service_pb2 as pb


def _keys(*run_ids: str) -> list[pb.RunKey]:
    return [pb.RunKey(job_uid="u", run_id=run_id) for run_id in run_ids]


async def _taken(outbox: Outbox) -> list[list[str] | str]:
    outbox.end()
    taken: list[list[str] | str] = []
    while (message := await outbox.take()) is not None:
        kind = message.WhichOneof("message") or ""
        is_acks = kind == "outcome_acks"
        taken.append([key.run_id for key in message.outcome_acks.keys] if is_acks else kind)
    return taken


async def test_acknowledgements_that_wait_together_are_one_message() -> None:
    outbox = Outbox()
    outbox.acknowledge(_keys("a", "b"))
    outbox.acknowledge(_keys("c"))
    assert await _taken(outbox) == [["a", "b", "c"]]


async def test_acknowledgements_overtake_nothing_and_are_not_added_to_what_was_taken() -> None:
    outbox = Outbox()
    outbox.acknowledge(_keys("a"))
    first = await outbox.take()
    outbox.acknowledge(_keys("b"))
    outbox.put(pb.ConnectResponse(assignments=pb.Assignments()))
    outbox.acknowledge(_keys("c"))
    outbox.put(pb.ConnectResponse(heartbeat_ack=pb.HeartbeatAck()))
    assert await _taken(outbox) == ["heartbeat_ack", ["b"], "assignments", ["c"]]
    assert first is not None
    assert [key.run_id for key in first.outcome_acks.keys] == ["a"]
