"""Lists: pages, tokens, filters."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from api.harness import PARENT, ApiUnderTest, HandClock, refused, serving
from tickwheel.server.api.limits import ApiLimits
from tickwheel.server.api.page_token import TokenScope
from tickwheel.server.domain.errors import InvalidInput
from tickwheel.server.domain.job import Job
from tickwheel.server.domain.names import instant_id
from tickwheel.server.domain.run import RunState
from tickwheel.server.store.port import Page, Store
from tickwheel.v1 import job_pb2, job_service_pb2, run_pb2


async def list_jobs(
    api: ApiUnderTest, page_size: int = 0, token: str = "", wanted: str = "", parent: str = PARENT
) -> job_service_pb2.ListJobsResponse:
    return await api.jobs.ListJobs(
        job_service_pb2.ListJobsRequest(
            parent=parent, page_size=page_size, page_token=token, filter=wanted
        )
    )


async def all_jobs(
    api: ApiUnderTest, page_size: int = 0, wanted: str = "", parent: str = PARENT
) -> list[list[str]]:
    """The ids on each page."""
    pages: list[list[str]] = []
    token = ""
    while True:
        page = await list_jobs(api, page_size, token, wanted, parent)
        pages.append([job.name.rsplit("/", 1)[1] for job in page.jobs])
        token = page.next_page_token
        if not token:
            return pages


async def list_runs(
    api: ApiUnderTest,
    page_size: int = 0,
    token: str = "",
    wanted: str = "",
    parent: str = f"{PARENT}/jobs/a",
) -> job_service_pb2.ListRunsResponse:
    return await api.jobs.ListRuns(
        job_service_pb2.ListRunsRequest(
            parent=parent, page_size=page_size, page_token=token, filter=wanted
        )
    )


async def all_runs(
    api: ApiUnderTest, page_size: int = 0, wanted: str = "", parent: str = f"{PARENT}/jobs/a"
) -> list[run_pb2.Run]:
    runs: list[run_pb2.Run] = []
    token = ""
    while True:
        page = await list_runs(api, page_size, token, wanted, parent)
        assert len(page.runs) <= (page_size or 50)
        runs += page.runs
        token = page.next_page_token
        if not token:
            return runs


async def make_jobs(api: ApiUnderTest, count: int, parent: str = PARENT) -> None:
    requests = [
        job_service_pb2.CreateJobRequest(job=api.at(), job_id=f"job-{number:03d}")
        for number in range(count)
    ]
    for number, request in enumerate(requests):
        request.job.labels["parity"] = "odd" if number % 2 else "even"
    await api.jobs.BatchCreateJobs(
        job_service_pb2.BatchCreateJobsRequest(parent=parent, requests=requests)
    )


async def make_runs(api: ApiUnderTest, job: job_pb2.Job, count: int) -> list[str]:
    """One every second from now on, oldest first; every third has failed."""
    stored = await api.stored(job.name)
    now_ms = api.clock.now_ms()
    runs = [
        api.owners.run_of(
            stored,
            now_ms + 1000 * number,
            run_id=instant_id(now_ms + 1000 * number),
            state=RunState.SUCCEEDED if number % 3 else RunState.FAILED,
        )
        for number in range(count)
    ]
    await api.owners.record(runs)
    return [str(run.name) for run in runs]


async def test_pages_come_to_all_of_it_once(api: ApiUnderTest) -> None:
    await make_jobs(api, 25)

    pages = await all_jobs(api, 10)

    assert [len(page) for page in pages] == [10, 10, 5]
    assert len({job_id for page in pages for job_id in page}) == 25


async def test_page_sizes(api: ApiUnderTest) -> None:
    await make_jobs(api, 60)

    assert len((await list_jobs(api)).jobs) == 50
    assert len((await list_jobs(api, 1)).jobs) == 1
    assert len((await list_jobs(api, 1_000_000)).jobs) == 60
    refusal = await refused(list_jobs(api, -1))
    assert refusal.summary == ("INVALID_ARGUMENT", "FIELD_INVALID", ["pageSize"])


async def test_owners_are_apart_and_a_dash_is_all(api: ApiUnderTest) -> None:
    await make_jobs(api, 3)
    await make_jobs(api, 2, "users/8")

    assert len((await all_jobs(api))[0]) == 3
    assert len((await all_jobs(api, parent="users/8"))[0]) == 2
    assert sum(len(page) for page in await all_jobs(api, 2, parent="users/-")) == 5
    assert await all_jobs(api, parent="users/nobody") == [[]]


@pytest.mark.parametrize(
    "token", ["x", "!!!", "AAAA", "bm90IGEgdG9rZW4gdGhhdCB0aGlzIHNlcnZlciBnYXZl", "ä"]
)
async def test_a_token_that_is_none_is_refused(api: ApiUnderTest, token: str) -> None:
    for call in (list_jobs(api, token=token), list_runs(api, token=token)):
        refusal = await refused(call)
        assert refusal.summary == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["pageToken"])


async def test_a_token_whose_cursor_is_none_is_refused(api: ApiUnderTest) -> None:
    """The checksum is no secret: who makes it may put anything behind it."""
    runs = f"{PARENT}/jobs/-"
    nested = b"[" * 2_900
    numbers = (b'["l",%d]' % (1 << 63), b'["l",-%d]' % (1 << 70), b'["l",true]', b'["l",1e400]')
    for cursor in (nested, b"[", b"7", b"\xff", b'["j",' + nested, *numbers):
        for call in (
            list_jobs(api, token=TokenScope("jobs", PARENT, "").encode(cursor)),
            list_runs(api, token=TokenScope("runs", runs, "").encode(cursor), parent=runs),
        ):
            refusal = await refused(call)
            assert refusal.summary == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["pageToken"])


async def test_a_token_with_a_number_beyond_all_is_refused(api: ApiUnderTest) -> None:
    await make_jobs(api, 1)
    (name,) = [job.name for job in (await list_jobs(api)).jobs]
    uid = (await api.stored(name)).uid.encode()
    for number in (1 << 63, -(1 << 63) - 1, 10**40):
        cursor = uid + b'["r",%d,""]' % number
        token = TokenScope("runs", name, "").encode(cursor)
        refusal = await refused(list_runs(api, token=token, parent=name))
        assert refusal.summary == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["pageToken"])


async def test_a_token_of_another_list_is_refused(api: ApiUnderTest) -> None:
    await make_jobs(api, 3)
    token = (await list_jobs(api, 1)).next_page_token

    for call in (
        list_jobs(api, 1, token, parent="users/8"),
        list_jobs(api, 1, token, wanted="state = ACTIVE"),
        list_runs(api, 1, token),
        list_jobs(api, 1, f"{token[:-2]}AA"),
    ):
        assert (await refused(call)).reason == "PAGE_TOKEN_INVALID"
    assert len((await list_jobs(api, 2, token)).jobs) == 2


def test_a_damaged_token_is_refused() -> None:
    scope = TokenScope("jobs", PARENT, "")
    token = scope.encode(b"a cursor of the store")
    assert scope.decode(token) == b"a cursor of the store"

    for at in range(len(token)):
        damaged = f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}"
        with pytest.raises(InvalidInput):
            scope.decode(damaged)


async def test_filters_of_jobs(api: ApiUnderTest) -> None:
    await make_jobs(api, 12)
    other = api.at()
    other.target.topic = "other"
    await api.create(other, "apart")
    await api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=f"{PARENT}/jobs/job-004"))

    async def found(wanted: str) -> set[str]:
        return {job_id for page in await all_jobs(api, 5, wanted) for job_id in page}

    assert await found("state = PAUSED") == {"job-004"}
    assert await found("state = JOB_STATE_PAUSED AND labels.parity = even") == {"job-004"}
    assert await found('state = PAUSED AND labels.parity = "odd"') == set()
    assert len(await found('labels.parity = "odd"')) == 6
    assert await found('target.topic = "other"') == {"apart"}
    assert await found('job_id : "-01"') == {"job-010", "job-011"}
    assert await found("job_id:par AND state=ACTIVE") == {"apart"}


async def test_a_filtered_page_may_be_short_but_not_the_last(
    store: Store, clock: HandClock
) -> None:
    async with serving(store, clock, ApiLimits(max_scan_rows=150)) as api:
        await make_jobs(api, 600)
        await api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=f"{PARENT}/jobs/job-000"))
        await api.jobs.PauseJob(job_service_pb2.PauseJobRequest(name=f"{PARENT}/jobs/job-599"))

        pages = await all_jobs(api, 1, "state = PAUSED")

        assert sorted(job_id for page in pages for job_id in page) == ["job-000", "job-599"]
        assert max(len(page) for page in pages) == 1
        assert [page[:1] for page in pages[:4]] == [["job-599"], [], [], ["job-000"]]


async def test_a_page_fits_into_a_message(api: ApiUnderTest) -> None:
    """18 MB of payloads, some of which are more in a message than they are as JSON."""
    zeros = api.at()
    zeros.target.payload.json.list_value.extend([0] * 100_000)
    for number in range(3):
        await api.create(zeros, f"zeros-{number}")
    data = api.at()
    data.target.payload.data = b"x" * 262_144
    for number in range(60):
        await api.create(data, f"data-{number}")

    pages = await all_jobs(api, 1000)

    assert len({job_id for page in pages for job_id in page}) == 63
    assert len(pages) > 1


async def test_a_large_page_is_read_a_part_at_a_time(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand jobs may have 256 MiB of payloads, of which a page has 12."""
    data = api.at()
    data.target.payload.data = b"x" * 262_144
    for _ in range(60):
        await api.create(data)
    read: Callable[[str | None, bytes, int], Awaitable[Page[Job]]] = api.store.jobs.list
    most = 0

    async def counted(user: str | None, cursor: bytes, limit: int) -> Page[Job]:
        nonlocal most
        page = await read(user, cursor, limit)
        most = max(most, len(page.items))
        return page

    monkeypatch.setattr(api.store.jobs, "list", counted)

    assert len((await list_jobs(api, 1000)).jobs) < 50
    assert most == 50


async def test_a_page_of_small_rows_is_read_in_few_parts(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read of the run log looks at all of its parts."""
    for _ in range(300):
        await api.create(api.at())
    read: Callable[[str | None, bytes, int], Awaitable[Page[Job]]] = api.store.jobs.list
    limits: list[int] = []

    async def noted(user: str | None, cursor: bytes, limit: int) -> Page[Job]:
        limits.append(limit)
        return await read(user, cursor, limit)

    monkeypatch.setattr(api.store.jobs, "list", noted)

    assert len((await list_jobs(api, 1000)).jobs) == 300
    assert limits == [50, 950]


@pytest.mark.parametrize(
    ("wanted", "at"),
    [
        ("nothing = 1", 1),
        ("state", 6),
        ("state =", 8),
        ("state = SLEEPING", 1),
        ("state > ACTIVE", 1),
        ("state = ACTIVE OR state = PAUSED", 16),
        ("state = ACTIVE AND", 19),
        ("state = ACTIVE state = PAUSED", 16),
        ("labels. = 1", 1),
        ('labels.a = "open', 12),
        ("(state = ACTIVE)", 1),
        ("schedule_time > 1", 1),
        ("AND", 4),
    ],
)
async def test_a_wrong_filter_is_refused_with_its_place(
    api: ApiUnderTest, wanted: str, at: int
) -> None:
    refusal = await refused(list_jobs(api, wanted=wanted))

    assert refusal.summary == ("INVALID_ARGUMENT", "FILTER_INVALID", ["filter"])
    assert refusal.info.metadata["position"] == str(at)


async def test_runs_of_a_job_newest_first(api: ApiUnderTest) -> None:
    job = await api.create(api.at(), "a")
    names = await make_runs(api, job, 25)

    runs = await all_runs(api, 10)

    assert [run.name for run in runs] == names[::-1]


async def test_filters_of_runs(api: ApiUnderTest) -> None:
    job = await api.create(api.at(), "a")
    names = await make_runs(api, job, 12)
    first = (await all_runs(api))[-1].schedule_time
    third = type(first)()
    third.FromMilliseconds(first.ToMilliseconds() + 2000)
    text = third.ToJsonString()

    async def found(wanted: str) -> list[str]:
        return [run.name for run in (await all_runs(api, 3, wanted))][::-1]

    assert await found("state = FAILED") == names[::3]
    assert await found("state = RUN_STATE_FAILED AND state = SUCCEEDED") == []
    assert await found(f'schedule_time >= "{text}"') == names[2:]
    assert await found(f'schedule_time > "{text}"') == names[3:]
    assert await found(f"schedule_time < {text}") == names[:2]
    assert await found(f'schedule_time <= "{text}" AND state = FAILED') == names[:1]
    # Between two milliseconds.
    finer = text.replace("Z", "000001Z") if "." in text else text.replace("Z", ".000000001Z")
    assert await found(f'schedule_time > "{finer}"') == names[3:]
    assert await found(f'schedule_time <= "{finer}"') == names[:3]
    assert await found(f'schedule_time < "{finer}"') == names[:3]
    assert await found(f'due_time = "{text}"') == names[2:3]
    refusal = await refused(list_runs(api, wanted='schedule_time > "yesterday"'))
    assert refusal.reason == "FILTER_INVALID"
    refusal = await refused(list_runs(api, wanted="labels.a = b"))
    assert refusal.reason == "FILTER_INVALID"


async def test_runs_of_deleted_jobs_follow_those_of_the_living(api: ApiUnderTest) -> None:
    names: list[str] = []
    for _ in range(3):
        job = await api.create(api.at(), "a")
        names += await make_runs(api, job, 4)
        await api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=job.name))
        api.clock.advance(60_000)

    for page_size in (1, 3, 4, 50):
        assert [run.name for run in await all_runs(api, page_size)] == names[::-1]


async def test_a_page_of_runs_fits_into_a_message(api: ApiUnderTest) -> None:
    """Results may be more in a message than they are as JSON; those of several jobs add up."""
    zeros = b"[" + b"0," * 32_000 + b"0]"
    names: list[str] = []
    for _ in range(2):
        job = await api.create(api.at(), "a")
        stored = await api.stored(job.name)
        now_ms = api.clock.now_ms()
        runs = [
            replace(
                api.owners.run_of(stored, now_ms + at, run_id=instant_id(now_ms + at)),
                result=zeros,
            )
            for at in range(30)
        ]
        await api.owners.record(runs)
        names += [str(run.name) for run in runs]
        await api.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(name=job.name))
        api.clock.advance(60_000)

    assert [run.name for run in await all_runs(api, 1000)] == names[::-1]


async def test_runs_across_jobs(api: ApiUnderTest) -> None:
    for parent in (PARENT, "users/8"):
        for job_id in ("a", "b"):
            job = await api.create(api.at(), job_id, parent=parent)
            await make_runs(api, job, 3)
            api.clock.advance(10_000)

    async def names(parent: str, wanted: str = "") -> set[str]:
        return {run.name for run in await all_runs(api, 2, wanted, parent)}

    assert len(await names("users/-/jobs/-")) == 12
    assert len(await names("users/7/jobs/-")) == 6
    assert len(await names("users/-/jobs/a")) == 6
    assert len(await names("users/-/jobs/-", "state = FAILED")) == 4
    assert await names("users/9/jobs/-") == set()
    newest = (await all_runs(api, 50, parent="users/-/jobs/-"))[0]
    assert newest.name.startswith("users/8/jobs/b/")


async def test_a_list_of_runs_of_nobody_is_empty(api: ApiUnderTest) -> None:
    assert await all_runs(api) == []
