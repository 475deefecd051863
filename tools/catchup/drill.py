"""Carries the drill out on a server that can be stopped and started."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from google.protobuf import duration_pb2

from catchup.cases import SECOND_MS, TOPIC, Case, Outage, Outcome, Pause, cases
from catchup.judge import Facts, Told, Verdict, judge
from tickwheel.client import Client
from tickwheel.v1 import executor_service_pb2, job_pb2, run_pb2

_USER = "users/catch-up"
#: How long the jobs run before the outage, and after it.
BEFORE_MS = 8_000
AFTER_S = 6.0
_FINAL = (run_pb2.RUN_STATE_SUCCEEDED, run_pb2.RUN_STATE_SKIPPED)
#: How long it may take until all is told.
_PATIENCE_S = 60.0


class Server(Protocol):
    """A `tickwheel dev` that runs."""

    def stop(self) -> object:
        """Ends it cleanly."""
        ...

    def start(self) -> None:
        """Starts it on the same data, and waits until it is ready."""
        ...


async def drill(server: Server, address: str, outage_s: float) -> list[Verdict]:
    """Lets the server be away for a while under jobs; judges what became of their occurrences."""
    down_ms = (_now_ms() + BEFORE_MS) // SECOND_MS * SECOND_MS
    wanted = cases(down_ms, down_ms + round(outage_s * 1000))
    created: dict[str, job_pb2.Job] = {}
    async with Client(address) as client:
        for case in wanted:
            created[case.name] = await client.create_job(_USER, case.job(), job_id=case.name)
        paused = {case.name: await _pause(client, case) for case in wanted if case.is_paused}
    await asyncio.sleep(max(0.0, (down_ms - _now_ms()) / 1000))
    outage = await asyncio.to_thread(_away, server, outage_s)
    async with Client(address) as client:
        await asyncio.sleep(AFTER_S / 2)
        pauses = {name: await _resume(client, name, *times) for name, times in paused.items()}
        await asyncio.sleep(AFTER_S / 2)
        until_ms = _now_ms() // SECOND_MS * SECOND_MS
        return await _judged(client, wanted, created, outage, pauses, until_ms)


def _away(server: Server, outage_s: float) -> Outage:
    stop_ms = _now_ms()
    server.stop()
    ended_ms = _now_ms()
    time.sleep(outage_s)
    start_ms = _now_ms()
    server.start()
    return Outage(stop_ms, ended_ms, start_ms, _now_ms())


async def _pause(client: Client, case: Case) -> tuple[int, int]:
    asked_ms = _now_ms()
    await client.pause_job(f"{_USER}/jobs/{case.name}", reason="the drill's")
    return asked_ms, _now_ms()


async def _resume(client: Client, name: str, asked_ms: int, paused_ms: int) -> Pause:
    resume_asked_ms = _now_ms()
    await client.resume_job(f"{_USER}/jobs/{name}")
    return Pause(asked_ms, paused_ms, resume_asked_ms, _now_ms())


async def _judged(
    client: Client,
    wanted: list[Case],
    created: Mapping[str, job_pb2.Job],
    outage: Outage,
    pauses: Mapping[str, Pause],
    until_ms: int,
) -> list[Verdict]:
    """The verdicts, once nothing is left out any more, or it has taken too long."""
    deadline = time.monotonic() + _PATIENCE_S
    records: Counter[tuple[str, str]] = Counter()
    while True:
        verdicts: list[Verdict] = []
        told = {case.name: await _told(client, case.name) for case in wanted}
        # Records later than the runs: each run that is told of has its record.
        records += await _records(client)
        for case in wanted:
            job = await client.get_job(f"{_USER}/jobs/{case.name}")
            of_job = {run_id: count for (uid, run_id), count in records.items() if uid == job.uid}
            facts = Facts(
                case=case,
                create_ms=created[case.name].create_time.ToMilliseconds(),
                until_ms=until_ms,
                outage=outage,
                pause=pauses.get(case.name),
                told=told[case.name],
                records=Counter(
                    {run_id: n for run_id, n in of_job.items() if _instant_of(run_id) <= until_ms}
                ),
                is_completed=job.state == job_pb2.JOB_STATE_COMPLETED,
            )
            verdicts.append(judge(facts))
        if not any(verdict.wrong for verdict in verdicts) or time.monotonic() > deadline:
            return verdicts
        await asyncio.sleep(0.5)


async def _told(client: Client, name: str) -> list[Told]:
    runs = client.list_runs(f"{_USER}/jobs/{name}", page_size=1_000)
    return [_told_of(run) async for run in runs if run.state in _FINAL]


def _told_of(run: run_pb2.Run) -> Told:
    run_id = run.name.rpartition("/")[2]
    schedule_ms = run.schedule_time.ToMilliseconds()
    if run.state == run_pb2.RUN_STATE_SUCCEEDED:
        return Told(
            run_id,
            Outcome.RUN,
            schedule_ms,
            publish_ms=run.publish_time.ToMilliseconds(),
            partition=run.partition,
            offset=run.offset,
            last_ms=schedule_ms,
        )
    return Told(
        run_id,
        Outcome(run_pb2.SkipReason.Name(run.skip_reason)),
        schedule_ms,
        count=run.skipped_count,
        first_ms=run.first_schedule_time.ToMilliseconds(),
        last_ms=run.last_schedule_time.ToMilliseconds(),
    )


async def _records(client: Client) -> Counter[tuple[str, str]]:
    """How many records of which run (job uid, run id) are new on the topic."""
    found: Counter[tuple[str, str]] = Counter()
    request = executor_service_pb2.PullRecordsRequest(
        topic=TOPIC, group="drill", max=1_000, wait=duration_pb2.Duration(nanos=100_000_000)
    )
    while records := await client.pull_records(request):
        for record in records:
            headers = {header.key: header.value.decode() for header in record.headers}
            uid, run_id, _ = headers["ce_id"].split("/")
            found[uid, run_id] += 1
        await client.ack_records(TOPIC, "drill", records)
    return found


def _instant_of(run_id: str) -> int:
    """Of a name such as 20261123T120000000Z."""
    instant = datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000) + int(run_id[15:18])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
