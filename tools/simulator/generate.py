"""Draws a plan from a seed.

Workloads and faults are two lists of makers with weights: what a later release can do is added as
one more maker, and every seed then mixes it in.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.chance import Chance
from simulator.executor import LONG_JOB
from simulator.log import GONE_TOPIC
from simulator.plan import Fault, Plan, Step
from tickwheel.server.scheduler.options import MOST_UNPUBLISHED

#: 23 November 2026, 12:00 UTC.
_ORIGIN_MS = 1_795_435_200_000
ACTIVE_MS = 45_000
SEGMENTS = 8
_OVERLAPS = ("SKIP", "BUFFER_ONE", "BUFFER_ALL", "CANCEL_OTHER", "ALLOW_ALL")
#: Clients begin once segments are owned.
_FIRST_MS = 2_500
_MANY_TRIES = 20
#: The only api is without its store for so long at most: else there would be hardly any jobs.
_MOST_WITHOUT_STORE_MS = 15_000


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    chance: random.Random
    schedulers: int
    workers: int
    apis: int
    clock_ms: int
    steps: list[Step] = field(default_factory=list[Step])
    faults: list[Fault] = field(default_factory=list[Fault])
    #: Jobs that go on for the whole time.
    lasting: list[str] = field(default_factory=list[str])
    serial: int = 0

    def name(self, kind: str) -> str:
        """A job id that is free."""
        self.serial += 1
        return f"{kind}{self.serial}"

    def when(self, first_ms: int = _FIRST_MS, last_ms: int = ACTIVE_MS - 3_000) -> int:
        """Some instant."""
        return self.chance.randrange(first_ms, last_ms)

    def do(self, at_ms: int, act: str, job: str, **args: Any) -> None:
        """Adds a step."""
        self.steps.append(Step(at_ms, act, job, args))


def plan_of(
    seed: int,
    *,
    reported: bool = False,
    backfills: bool = False,
    outages: bool = False,
    partial: bool = False,
) -> Plan:
    """The plan of a seed: at least 1,000 occurrences, 20 faults and all kinds of jobs.

    With `reported` it has jobs beside whose runs executors report, with `backfills` some that are
    changed amid one, with `outages` the schedulers' sessions run out, with `partial` some segments'
    partitions are away again and again; all else stays as it is.
    """
    chance = Chance(seed).stream("plan")
    draft = _Draft(
        chance,
        schedulers=chance.choice((1, 2, 2, 2, 3)),
        workers=chance.choice((1, 2, 2, 3)),
        apis=chance.choice((1, 2)),
        clock_ms=chance.choice((0, 0, 0, 60)),
    )
    _workload(draft)
    _faults(draft)
    if reported:
        draft.chance = Chance(seed).stream("plan of reported jobs")
        _reported(draft)
        draft.chance = Chance(seed).stream("plan of retries")
        _retries(draft)
    if backfills:
        draft.chance = Chance(seed).stream("plan of backfills")
        _backfills(draft)
    if outages:
        draft.chance = Chance(seed).stream("plan of outages")
        _outages(draft)
    if partial:
        draft.chance = Chance(seed).stream("plan of partial outages")
        _partial_outages(draft)
    draft.steps.sort(key=lambda step: step.at_ms)
    draft.faults.sort(key=lambda fault: fault.at_ms)
    return Plan(
        seed=seed,
        start_ms=_ORIGIN_MS + chance.randrange(3_600_000),
        schedulers=draft.schedulers,
        workers=draft.workers,
        apis=draft.apis,
        window=chance.choice((10_000, 10_000, 400, 40)),
        # 50 is hardly more than a scheduler has to hold to be on time.
        most_unpublished=Chance(seed)
        .stream("plan of room")
        .choice((MOST_UNPUBLISHED, MOST_UNPUBLISHED, 200, 50)),
        segments=SEGMENTS,
        active_ms=ACTIVE_MS,
        clock_ms=2 * draft.clock_ms,
        steps=tuple(draft.steps),
        faults=tuple(draft.faults),
    )


# -- workloads -----------------------------------------------------------------------------------


def _workload(draft: _Draft) -> None:
    for _ in range(20):
        _recurring(draft)
    for maker, count in (
        (_burst, 3),
        (_scattered, 12),
        (_counted, 4),
        (_short_lived, 4),
        (_wrong, 3),
        (_refused_topic, 1),
    ):
        for _ in range(count):
            maker(draft)
    changes: tuple[tuple[Callable[[_Draft, str], None], int], ...] = (
        (_pausing, 10),
        (_rescheduling, 6),
        (_retargeting, 6),
        (_by_hand, 12),
        (_reading, 4),
        (_deleting, 3),
    )
    for change, count in changes:
        for _ in range(count):
            change(draft, draft.chance.choice(draft.lasting))


def _tries(draft: _Draft) -> int:
    return draft.chance.choice((1, 2, 4, 4))


def _schedule(draft: _Draft) -> dict[str, Any]:
    """A schedule with an occurrence each one to five seconds."""
    chance = draft.chance
    pick = chance.random()
    if pick < 0.25:
        return {"cron": f"*/{chance.choice((1, 2, 3, 5))} * * * * *"}
    schedule: dict[str, Any] = {"every": chance.choice((1000, 1000, 1500, 2000, 2500, 3333))}
    if pick < 0.45:
        schedule["jitter"] = chance.randrange(1, schedule["every"])
    return schedule


def _window(draft: _Draft) -> dict[str, Any]:
    """Now and then a window so short that an outage outlasts it."""
    return {"window_s": draft.chance.randrange(1, 8)} if draft.chance.random() < 0.25 else {}


def _create(draft: _Draft, at_ms: int, kind: str, schedule: dict[str, Any], **args: Any) -> str:
    job = draft.name(kind)
    topic, tries = draft.chance.choice(("t1", "t2")), _tries(draft)
    given = {"topic": topic, "payload": f"{job}.1", "tries": tries, **args}
    draft.do(at_ms, "create", job, schedule=schedule, **given)
    return job


def _recurring(draft: _Draft) -> None:
    job = _create(
        draft,
        _FIRST_MS + draft.chance.randrange(2_000),
        "every",
        _schedule(draft),
        # Whoever is in the way of it, it is there in the end.
        tries=_MANY_TRIES,
        **_window(draft),
    )
    draft.lasting.append(job)


def _burst(draft: _Draft) -> None:
    """Many one-off jobs of the same instant."""
    at_ms = draft.when(last_ms=ACTIVE_MS - 12_000)
    draft.do(
        at_ms,
        "batch",
        draft.name("burst"),
        schedule={"at": at_ms + draft.chance.randrange(100, 12_000)},
        topic="t1",
        payload="burst",
        count=draft.chance.randrange(80, 160),
        named=draft.chance.random() < 0.2,
        request=draft.chance.random() < 0.5,
        tries=_MANY_TRIES,
    )


def _scattered(draft: _Draft) -> None:
    """One job that runs once; perhaps its instant has passed, perhaps it is far ahead."""
    at_ms = draft.when()
    ahead_ms = draft.chance.choice((-5_000, 0, 200, 3_000, 8_000, 22_000))
    _create(draft, at_ms, "once", {"at": at_ms + ahead_ms}, named=draft.chance.random() < 0.5)


def _counted(draft: _Draft) -> None:
    """A job with maxRuns, whose schedule is changed."""
    chance = draft.chance
    at_ms = draft.when(last_ms=ACTIVE_MS - 20_000)
    schedule = {**_schedule(draft), "max_runs": chance.randrange(2, 14)}
    job = _create(draft, at_ms, "count", schedule)
    for _ in range(chance.randrange(3)):
        at_ms += chance.randrange(500, 9_000)
        schedule = {**_schedule(draft), "max_runs": chance.randrange(2, 20)}
        draft.do(at_ms, "reschedule", job, schedule=schedule, tries=_tries(draft))
    if chance.random() < 0.4:
        at_ms += chance.randrange(500, 4_000)
        draft.do(at_ms, "pause", job, tries=_tries(draft))
        draft.do(at_ms + chance.randrange(500, 6_000), "resume", job, tries=_tries(draft))


def _short_lived(draft: _Draft) -> None:
    """A job that is deleted, whose id is used again."""
    at_ms = draft.when(last_ms=ACTIVE_MS - 15_000)
    job = _create(draft, at_ms, "short", _schedule(draft))
    gone_ms = at_ms + draft.chance.randrange(300, 8_000)
    draft.do(gone_ms, "delete", job, tries=_tries(draft))
    if draft.chance.random() < 0.5:
        draft.do(
            gone_ms + draft.chance.randrange(10, 3_000),
            "create",
            job,
            schedule=_schedule(draft),
            topic="t2",
            payload=f"{job}.again",
            tries=_tries(draft),
        )


def _wrong(draft: _Draft) -> None:
    breaks = draft.chance.choice(("schedule", "cron", "period", "topic", "size"))
    job = draft.name("wrong")
    draft.do(
        draft.when(), "wrong", job, schedule={"every": 1000}, topic="t1", payload="", breaks=breaks
    )


def _refused_topic(draft: _Draft) -> None:
    """Records that the log does not take, and retries."""
    at_ms = draft.when(last_ms=ACTIVE_MS - 15_000)
    job = draft.name("refused")
    draft.do(
        at_ms,
        "create",
        job,
        schedule={"at": at_ms + 1_500},
        topic="refused",
        payload=job,
        retries=draft.chance.randrange(3),
    )


def _pausing(draft: _Draft, job: str) -> None:
    at_ms = draft.when()
    draft.do(at_ms, "pause", job, tries=_tries(draft), reason=f"at {at_ms}")
    if draft.chance.random() < 0.85:
        back_ms = at_ms + draft.chance.choice((50, 700, 3_000, 9_000))
        draft.do(back_ms, "resume", job, tries=_tries(draft))


def _rescheduling(draft: _Draft, job: str) -> None:
    draft.do(draft.when(), "reschedule", job, schedule=_schedule(draft), tries=_tries(draft))


def _retargeting(draft: _Draft, job: str) -> None:
    draft.do(draft.when(), "retarget", job, payload=draft.name(f"{job}."), tries=_tries(draft))


def _by_hand(draft: _Draft, job: str) -> None:
    at_ms = draft.when()
    args: dict[str, Any] = {"request": draft.chance.random() < 0.7, "tries": _tries(draft)}
    if draft.chance.random() < 0.3:
        args["payload"] = draft.name("by hand ")
    draft.do(at_ms, "run", job, **args)
    if args["request"] and draft.chance.random() < 0.3:
        # A client that lost its patience asks again.
        draft.steps.append(Step(at_ms, "run", job, args))


def _reading(draft: _Draft, job: str) -> None:
    draft.do(draft.when(), "read", job)


def _deleting(draft: _Draft, job: str) -> None:
    if len(draft.lasting) > 8:
        draft.lasting.remove(job)
    draft.do(draft.when(ACTIVE_MS // 2), "delete", job, tries=_tries(draft))


def _reported(draft: _Draft) -> None:
    """Jobs whose runs an executor reports, some of which fail, take long, or are cancelled."""
    chance = draft.chance
    for number in range(10):
        once = number >= 7
        at_ms = draft.when(last_ms=ACTIVE_MS - 15_000)
        job = draft.name("reported")
        overlap = chance.choice(_OVERLAPS)
        schedule = {"at": at_ms + chance.randrange(3_000)} if once else _schedule(draft)
        if overlap == "BUFFER_ALL" and not once:
            # So few that all have had their turn by the end.
            at_ms, schedule["max_runs"] = max(_FIRST_MS, at_ms // 2), 4
        draft.do(
            at_ms,
            "create",
            job,
            schedule=schedule,
            topic=f"x{number % 2}",
            payload=job,
            overlap=overlap,
            timeout_s=chance.choice((4, 12)),
            retries=chance.randrange(3),
            tries=_tries(draft),
        )
        if once:
            continue
        # What waits in the end has to end, too.
        draft.do(ACTIVE_MS - 4_000, "pause", job, tries=20)
        for act in ("cancel", "cancel", "run", "delete"):
            if chance.random() < 0.4:
                draft.do(draft.when(at_ms + 1_000), act, job, tries=_tries(draft))


def _retries(draft: _Draft) -> None:
    """Runs that have ended are to run once more."""
    chance = draft.chance
    made = {step.job for step in draft.steps if step.act == "create"}
    jobs = sorted(job for job in made if job.startswith(("every", "reported", "refused")))
    for _ in range(8):
        at_ms, job = draft.when(ACTIVE_MS // 4), chance.choice(jobs)
        for _ in range(chance.choice((1, 1, 1, 2))):
            draft.do(at_ms, "retry", job, tries=_tries(draft))


def _backfills(draft: _Draft) -> None:
    """Jobs with a backfill that is under way when they are changed, or deleted."""
    chance = draft.chance
    for _ in range(4):
        at_ms = draft.when(last_ms=ACTIVE_MS - 10_000)
        schedule = {"every": 1_000 * chance.choice((1, 2, 5))}
        job = _create(draft, at_ms, "past", schedule, tries=_MANY_TRIES)
        at_ms += chance.randrange(1_000, 4_000)
        back_ms = chance.randrange(100, 400) * schedule["every"]
        draft.do(at_ms, "backfill", job, back_ms=back_ms, tries=_tries(draft))
        for act in ("retarget", "reschedule", "pause", "resume", "delete"):
            at_ms += chance.choice((5, 20, 60, 400))
            if chance.random() < (0.6 if act == "delete" else 0.4):
                given: dict[str, Any] = {"tries": _tries(draft)}
                if act == "retarget":
                    given["payload"] = draft.name(f"{job}.")
                elif act == "reschedule":
                    given["schedule"] = _schedule(draft)
                draft.do(at_ms, act, job, **given)
    _waiting_backfill(draft)
    for _ in range(2):
        _unreachable(draft)


def _waiting_backfill(draft: _Draft) -> None:
    """A backfill that has to wait for a run that is at work for a minute."""
    chance = draft.chance
    every_ms, overlap = chance.choice(((3_600_000, "BUFFER_ALL"), (5_000, "BUFFER_ONE")))
    job = _create(
        draft,
        _FIRST_MS,
        LONG_JOB,
        {"every": every_ms},
        topic="x0",
        overlap=overlap,
        timeout_s=70,
        retries=2,
        tries=_MANY_TRIES,
    )
    draft.do(_FIRST_MS + 1_500, "run", job, request=True, tries=_MANY_TRIES)
    at_ms = draft.when(_FIRST_MS + 3_000, ACTIVE_MS // 2)
    back_ms = chance.randrange(3, 8) * every_ms
    draft.do(at_ms, "backfill", job, back_ms=back_ms, tries=_tries(draft))
    for change in (_retargeting, _pausing):
        if chance.random() < 0.3:
            change(draft, job)
    if chance.random() < 0.2:
        draft.do(draft.when(at_ms + 1_000), "delete", job, tries=_tries(draft))
    # What waits in the end has to end, too.
    draft.do(ACTIVE_MS - 4_000, "pause", job, tries=_MANY_TRIES)


def _unreachable(draft: _Draft) -> None:
    """A job whose topic cannot be reached for long, and a backfill of it."""
    chance = draft.chance
    at_ms = draft.when(last_ms=ACTIVE_MS // 3)
    schedule = {"every": 1_000 * chance.choice((1, 2, 5))}
    job = _create(draft, at_ms, "gone", schedule, topic=GONE_TOPIC, tries=_MANY_TRIES)
    back_ms = chance.randrange(50, 200) * schedule["every"]
    back_at_ms = draft.when(at_ms + 1_000, ACTIVE_MS // 2)
    draft.do(back_at_ms, "backfill", job, back_ms=back_ms, tries=_tries(draft))
    for change in (_retargeting, _rescheduling, _pausing):
        if chance.random() < 0.3:
            change(draft, job)
    if chance.random() < 0.3:
        draft.do(draft.when(at_ms + 1_000), "delete", job, tries=_tries(draft))


# -- faults --------------------------------------------------------------------------------------


def _faults(draft: _Draft) -> None:
    chance = draft.chance
    if draft.clock_ms:
        for kind, count in (("s", draft.schedulers), ("a", draft.apis)):
            for number in range(count):
                by_ms = chance.randrange(-draft.clock_ms, draft.clock_ms + 1)
                draft.faults.append(
                    Fault(0, "skew", f"{kind}{number}", ACTIVE_MS, {"by_ms": by_ms})
                )
    makers = [maker for maker, weight in _MAKERS for _ in range(weight)]
    for _ in range(chance.randrange(30, 40)):
        at_ms = draft.when(1_000, ACTIVE_MS - 500)
        draft.faults.append(chance.choice(makers)(draft, at_ms))
    if draft.apis == 1:
        _spare_the_only_api(draft)


def _spare_the_only_api(draft: _Draft) -> None:
    """What would leave it without its store for too long is done to a scheduler."""
    without_ms = 0
    for number, fault in enumerate(draft.faults):
        if fault.kind == "store" and fault.target == "a0":
            without_ms += fault.lasts_ms
            if without_ms > _MOST_WITHOUT_STORE_MS:
                draft.faults[number] = replace(fault, target="s0")


def _server(draft: _Draft) -> str:
    kind, count = draft.chance.choice(
        (("s", draft.schedulers), ("s", draft.schedulers), ("w", draft.workers), ("a", draft.apis))
    )
    return f"{kind}{draft.chance.randrange(count)}"


def _lasting(draft: _Draft) -> int:
    """Mostly short, now and then beyond every lease; in ms."""
    return int(draft.chance.choice((50, 300, 1_000, 2_800, 4_500, 9_000, 13_000)))


def _way(draft: _Draft) -> str:
    names = [f"s{number}" for number in range(draft.schedulers)]
    others = [f"w{number}" for number in range(draft.workers)]
    others += [f"a{number}" for number in range(draft.apis)]
    pair = [draft.chance.choice(names), draft.chance.choice(others)]
    draft.chance.shuffle(pair)
    return ">".join(pair)


def _kill(draft: _Draft, at_ms: int) -> Fault:
    steps = draft.chance.randrange(60)
    return Fault(at_ms, "kill", _server(draft), draft.chance.choice((200, 3_000)), {"steps": steps})


def _end(draft: _Draft, at_ms: int) -> Fault:
    return Fault(at_ms, "end", _server(draft), draft.chance.choice((200, 3_000)))


def _stop(draft: _Draft, at_ms: int) -> Fault:
    return Fault(
        at_ms, draft.chance.choice(("stop", "stop", "suspend")), _server(draft), _lasting(draft)
    )


def _skew(draft: _Draft, at_ms: int) -> Fault:
    """Only of workers: that a record is not early, schedulers' clocks and theirs make sure."""
    by_ms = draft.chance.choice((-2_000, -700, -300, 100, 300, 700, 2_000))
    worker = f"w{draft.chance.randrange(draft.workers)}"
    return Fault(at_ms, "skew", worker, _lasting(draft), {"by_ms": by_ms})


def _cut(draft: _Draft, at_ms: int) -> Fault:
    return Fault(at_ms, "cut", _way(draft), _lasting(draft), {"both": draft.chance.random() < 0.5})


def _isolate(draft: _Draft, at_ms: int) -> Fault:
    return Fault(at_ms, "isolate", _server(draft), _lasting(draft))


def _slow_way(draft: _Draft, at_ms: int) -> Fault:
    args = {"slow_ms": draft.chance.choice((20, 300, 2_000)), "loss": draft.chance.choice((0, 0.3))}
    return Fault(at_ms, "slow_way", _way(draft), _lasting(draft), args)


def _trouble(draft: _Draft) -> dict[str, Any]:
    how = draft.chance.choice(("down", "shaky", "shaky", "slow"))
    if how == "shaky":
        return {
            "how": how,
            "failure": draft.chance.choice((0.05, 0.3, 0.8)),
            "late_ms": draft.chance.choice((0, 500, 7_000)),
        }
    return {"how": how, "slow_ms": draft.chance.choice((100, 1_500, 6_000))}


def _store(draft: _Draft, at_ms: int) -> Fault:
    target = "store"
    if draft.chance.random() < 0.6:
        kind, count = draft.chance.choice((("s", draft.schedulers), ("a", draft.apis)))
        target = f"{kind}{draft.chance.randrange(count)}"
    return Fault(at_ms, "store", target, _lasting(draft), _trouble(draft))


def _outages(draft: _Draft) -> None:
    """The store is away for about as long as a lease or longer, for all or for some schedulers.

    Or they stand still for so long. They are not back at the same moment.
    """
    chance = draft.chance
    at_ms = chance.randrange(4_000, 12_000)
    while at_ms < ACTIVE_MS - 8_000:
        lasts_ms = chance.choice((6_500, 7_500, 8_500, 9_500, 11_000, 14_000))
        down = {"how": "down"}
        names = [f"s{number}" for number in range(draft.schedulers)]
        match chance.choice(("all", "all", "each", "one", "stop")):
            case "all":
                draft.faults.append(Fault(at_ms, "store", "store", lasts_ms, down))
            case "each":
                for name in names:
                    more_ms = chance.randrange(2_000)
                    draft.faults.append(Fault(at_ms, "store", name, lasts_ms + more_ms, down))
            case "one":
                draft.faults.append(Fault(at_ms, "store", chance.choice(names), lasts_ms, down))
            case _:
                for name in names:
                    more_ms = chance.randrange(2_000)
                    draft.faults.append(Fault(at_ms, "stop", name, lasts_ms + more_ms))
        at_ms += lasts_ms + chance.randrange(3_000, 9_000)


def _partial_outages(draft: _Draft) -> None:
    """The partitions of some segments are away, for a moment or for longer than a lease."""
    chance = draft.chance
    at_ms = chance.randrange(1_000, 8_000)
    while at_ms < ACTIVE_MS - 5_000:
        some = sorted(chance.sample(range(SEGMENTS), chance.choice((1, 1, 2, 4))))
        fault = Fault(at_ms, "segments", "store", _lasting(draft), {"segments": some})
        draft.faults.append(fault)
        at_ms += chance.randrange(1_000, 6_000)


def _log(draft: _Draft, at_ms: int) -> Fault:
    target = "log" if draft.chance.random() < 0.5 else f"w{draft.chance.randrange(draft.workers)}"
    return Fault(at_ms, "log", target, _lasting(draft), _trouble(draft))


_MAKERS: tuple[tuple[Callable[[_Draft, int], Fault], int], ...] = (
    (_kill, 5),
    (_end, 2),
    (_stop, 4),
    (_skew, 2),
    (_cut, 3),
    (_isolate, 2),
    (_slow_way, 2),
    (_store, 5),
    (_log, 3),
)
