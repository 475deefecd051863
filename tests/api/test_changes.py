"""Pause, resume, delete: idempotent, heedful of etags, answered once they are sure."""

import asyncio

import pytest
from google.protobuf import empty_pb2

from api.harness import ApiUnderTest, refused
from tickwheel.server.domain.errors import ChangeUnconfirmed, StoreUnavailable
from tickwheel.server.domain.job import Job
from tickwheel.server.store.port import JobChange
from tickwheel.v1 import job_pb2, job_service_pb2

NAME = "users/7/jobs/a"


async def make(api: ApiUnderTest) -> job_pb2.Job:
    job = api.at()
    job.schedule.cron = "30 2 * * *"
    return await api.create(job, "a")


async def pause(api: ApiUnderTest, reason: str = "", etag: str = "") -> job_pb2.Job:
    return await api.jobs.PauseJob(
        job_service_pb2.PauseJobRequest(name=NAME, reason=reason, etag=etag)
    )


async def resume(api: ApiUnderTest, etag: str = "") -> job_pb2.Job:
    return await api.jobs.ResumeJob(job_service_pb2.ResumeJobRequest(name=NAME, etag=etag))


async def delete(api: ApiUnderTest, etag: str = "") -> empty_pb2.Empty:
    return await api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=NAME, etag=etag))


async def test_pause_and_resume(api: ApiUnderTest) -> None:
    made = await make(api)

    paused = await pause(api, "maintenance")
    assert paused.state == job_pb2.JOB_STATE_PAUSED
    assert paused.pause_reason == "maintenance"
    assert not paused.next_run_times
    assert paused.etag != made.etag

    active = await resume(api)
    assert active.state == job_pb2.JOB_STATE_ACTIVE
    assert active.pause_reason == ""
    assert active.next_run_times == made.next_run_times

    stored = await api.stored(NAME)
    inbox = await api.store.schedule.read_inbox([stored.segment], 0)
    assert [entry.version for entry in inbox] == [2, 3]
    assert [job.version for job in api.owners.confirmed] == [2, 3]
    history = await api.store.jobs.history(stored.key)
    assert [record.reason for record in history] == ["maintenance", "resumed"]


async def test_pausing_a_paused_job_takes_the_new_reason(api: ApiUnderTest) -> None:
    await make(api)
    await pause(api, "first")

    assert (await pause(api, "second")).pause_reason == "second"
    assert (await pause(api, "second")).pause_reason == "second"
    assert (await api.stored(NAME)).version == 3


async def test_resuming_an_active_job_changes_nothing(api: ApiUnderTest) -> None:
    made = await make(api)

    assert (await resume(api)).etag == made.etag


async def test_a_completed_job_is_neither_paused_nor_resumed(api: ApiUnderTest) -> None:
    await make(api)
    await api.owners.complete(await api.stored(NAME))

    for call in (pause(api), resume(api)):
        assert (await refused(call)).summary == ("FAILED_PRECONDITION", "JOB_STATE_WRONG", [])


async def test_etags(api: ApiUnderTest) -> None:
    made = await make(api)
    paused = await pause(api, etag=made.etag)

    for call in (pause(api, "x", made.etag), resume(api, made.etag), delete(api, made.etag)):
        assert (await refused(call)).summary == ("ABORTED", "ETAG_MISMATCH", [])

    await delete(api, paused.etag)


async def test_delete_frees_the_id_at_once(api: ApiUnderTest) -> None:
    made = await make(api)
    await delete(api)

    assert (await refused(pause(api))).reason == "JOB_NOT_FOUND"
    again = await make(api)
    assert again.name == made.name
    assert again.uid != made.uid
    (confirmed,) = api.owners.confirmed
    assert confirmed.uid == made.uid
    assert confirmed.delete_ms == api.clock.now_ms()


async def test_an_unconfirmed_deletion_can_be_repeated(api: ApiUnderTest) -> None:
    await make(api)
    api.owners.failure = ChangeUnconfirmed("not yet")

    assert (await refused(delete(api))).reason == "CHANGE_UNCONFIRMED"
    assert (await refused(delete(api))).reason == "CHANGE_UNCONFIRMED"
    api.owners.failure = None
    assert (await refused(delete(api))).reason == "JOB_NOT_FOUND"
    assert len(api.owners.confirmed) == 1


async def test_changes_at_the_same_time_all_happen(api: ApiUnderTest) -> None:
    await make(api)

    await asyncio.gather(*(pause(api, f"reason {number}") for number in range(3)))

    assert (await api.stored(NAME)).version == 4


async def test_endless_contention_is_told(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(api)

    async def never(change: JobChange) -> Job | None:
        del change

    monkeypatch.setattr(api.store.jobs, "change", never)

    assert (await refused(pause(api))).summary == ("ABORTED", "CONTENTION", [])


async def test_a_store_that_is_gone_is_told_with_when_to_come_back(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(api)

    async def gone(change: JobChange) -> Job | None:
        del change
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(api.store.jobs, "change", gone)

    refusal = await refused(pause(api))
    assert refusal.summary == ("UNAVAILABLE", "STORE_UNAVAILABLE", [])
    assert refusal.retry.retry_delay.ToMilliseconds() > 0
