"""Why did my job not run? A drill: a reason is brought about, and has to be explained right."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.dev_process import DevProcess, dev_process
from tickwheel.worker.telemetry.names import ALL

_USER = "/v1/users/7/jobs"
_AWAY_S = 3
_LIMITS = {
    "TICKWHEEL_DISPATCH_RATE_PER_TOPIC": "narrow=0.5",
    "TICKWHEEL_MAX_IN_FLIGHT_PER_TOPIC": "till=1",
}


class Told:
    """One occurrence as it was explained."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.at = datetime.fromisoformat(message["scheduleTime"])
        self.outcome = message["outcome"].removeprefix("OCCURRENCE_OUTCOME_")
        self.reason = message["reason"].removeprefix("OCCURRENCE_REASON_")
        self.text: str = message["text"]
        self.run: str = message["run"]

    def __repr__(self) -> str:
        return f"{self.at:%F %T} {self.outcome} {self.reason}: {self.text}"


class Drill:
    """What was done to which job when, through the api."""

    def __init__(self, dev: DevProcess) -> None:
        self.dev = dev
        self.begun = datetime.now(UTC)
        self.marks: dict[str, datetime] = {}

    def mark(self, name: str) -> None:
        self.marks[name] = datetime.now(UTC)

    def create(self, job_id: str, schedule: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"schedule": schedule, "target": {"topic": "drill"}, **more}
        return self.call("POST", _USER, body, job_id=job_id)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        answer = httpx.request(method, f"{self.dev.url}{path}", params=query, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def runs(self, job_id: str) -> list[dict[str, Any]]:
        return self.call("GET", f"{_USER}/{job_id}/runs", page_size=1000)["runs"]

    def until_run(self, job_id: str, state: str) -> dict[str, Any]:
        """The first run that is found in a state."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for run in self.runs(job_id):
                if run["state"] == f"RUN_STATE_{state}":
                    return run
            time.sleep(0.05)
        raise AssertionError(f"no run of {job_id} is {state}: {self.runs(job_id)}")

    def explain(self, job_id: str, start: datetime | str, end: datetime | str) -> list[Told]:
        """All pages, of seven occurrences each."""
        query = {
            "start_time": start if isinstance(start, str) else start.isoformat(),
            "end_time": end if isinstance(end, str) else end.isoformat(),
            "page_size": 7,
        }
        found: list[Told] = []
        token = ""
        while True:
            answer = self.call("GET", f"{_USER}/{job_id}:explain", page_token=token, **query)
            found += map(Told, answer["occurrences"])
            token = answer["nextPageToken"]
            if not token:
                assert [one.at for one in found] == sorted({one.at for one in found})
                return found

    def all_of(self, job_id: str) -> list[Told]:
        """From a few seconds before the drill to a few seconds after now."""
        return self.explain(
            job_id, self.begun - timedelta(seconds=5), datetime.now(UTC) + timedelta(seconds=5)
        )


def _of(told: list[Told], outcome: str, reason: str) -> list[Told]:
    found = [one for one in told if (one.outcome, one.reason) == (outcome, reason)]
    assert found, f"nothing is {outcome} {reason} in {told}"
    return found


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory, gateway: Path) -> Iterator[Drill]:
    """All that happens; what is made of it is asked for afterwards."""
    folder = tmp_path_factory.mktemp("explain")
    with dev_process(folder, gateway, settings=_LIMITS) as dev:
        drill = Drill(dev)
        reported = {"completion": "COMPLETION_REPORTED"}
        drill.create("plain", {"every": "1s"})
        drill.create("forgetful", {"every": "1s"}, catchUpWindow="1s")
        drill.create("thrice", {"every": "1s", "maxRuns": 3})
        drill.create("crowded", {"every": "1s"}, runTimeout="600s", **reported)
        drill.create("patient", {"every": "1s"}, overlapPolicy="OVERLAP_BUFFER_ONE", **reported)
        drill.create(
            "silent", {"every": "1s"}, runTimeout="1s", retryPolicy={"maxRetryCount": 0}, **reported
        )
        short = {"runTimeout": "1s", **reported}
        drill.create("usurped", {"every": "1s"}, overlapPolicy="OVERLAP_CANCEL_OTHER", **short)
        again = {"maxRetryCount": 1, "initialBackoff": "0.1s"}
        drill.create("stubborn", {"every": "1s"}, retryPolicy=again, **short)
        never = {"maxRetryCount": 0}
        drill.create("hopeless", {"every": "1s"}, retryPolicy=never, pauseAfterFailures=2, **short)
        drill.create(
            "berlin", {"cron": "30 2 * * *", "timeZone": "Europe/Berlin", "dstGap": "DST_GAP_SKIP"}
        )
        drill.create("moving", {"cron": "30 2 * * *", "timeZone": "Europe/Berlin"})
        drill.create(
            "holidays",
            {
                "cron": "0 12 * * *",
                "excludes": ["2027-01-01"],
                "startTime": "2026-12-30T00:00:00Z",
                "endTime": "2027-01-03T00:00:00Z",
            },
        )
        slow = {"topic": "narrow", "payload": {"text": "x"}}
        drill.create("at-a-rate", {"every": "1s"}, target=slow)
        at_a_till = {**reported, "overlapPolicy": "OVERLAP_ALLOW_ALL", "target": {"topic": "till"}}
        drill.create("one-at-a-till", {"every": "1s"}, runTimeout="60s", **at_a_till)
        drill.create("asleep", {"every": "1s"})
        drill.create("changed", {"every": "1s"})
        drill.create("gone", {"every": "1s"})
        drill.create("twice-named", {"every": "1s"})
        drill.until_run("plain", "SUCCEEDED")
        # For a second at least, so that the new schedule would have had an occurrence meanwhile.
        while len(drill.runs("changed")) < 2:
            time.sleep(0.05)
        drill.call("POST", f"{_USER}/asleep:pause", {"reason": "stock-taking"})
        drill.call(
            "PATCH",
            f"{_USER}/changed",
            {"schedule": {"every": "1s", "anchor": "2026-01-01T00:00:00.500Z"}},
        )
        drill.call("DELETE", f"{_USER}/gone")
        drill.call("DELETE", f"{_USER}/twice-named")
        deleted = time.monotonic()
        drill.mark("paused")
        drill.until_run("crowded", "SKIPPED")
        cancelled = drill.until_run("crowded", "PUBLISHED")
        drill.call("POST", f"/v1/{cancelled['name']}:cancel", {"reason": "wrong customer"})
        drill.until_run("silent", "FAILED")
        drill.until_run("patient", "SKIPPED")
        drill.until_run("usurped", "CANCELLED")
        drill.until_run("hopeless", "SKIPPED")
        drill.until_run("asleep", "SKIPPED")
        drill.call("POST", f"{_USER}/asleep:resume", {})
        drill.mark("resumed")
        # For a second at least, so that the first one would have had an occurrence meanwhile.
        time.sleep(max(0.0, deleted + 1 - time.monotonic()))
        drill.create("twice-named", {"every": "1s"})
        drill.mark("stopped")
        dev.stop()
        time.sleep(_AWAY_S)
        dev.start()
        drill.mark("back")
        drill.until_run("forgetful", "SKIPPED")
        later = datetime.now(UTC) + timedelta(seconds=2)
        while not [
            one
            for one in drill.runs("plain")
            if datetime.fromisoformat(one["scheduleTime"]) > later
        ]:
            time.sleep(0.1)
        yield drill


def test_on_time_with_worker_topic_and_offset(drill: Drill) -> None:
    for one in _of(drill.all_of("plain"), "SUCCEEDED", "ON_TIME"):
        run = drill.call("GET", f"/v1/{one.run}")
        where = f"topic drill, partition {run['partition']}, offset {run['offset']}."
        assert one.text.startswith("Published ")
        assert f"by worker {run['worker']} to {where}" in one.text


def test_before_the_job_existed(drill: Drill) -> None:
    told = drill.all_of("plain")
    before = _of(told, "NOT_SCHEDULED", "BEFORE_CREATION")
    created = drill.call("GET", f"{_USER}/plain")["createTime"]
    assert {one.at < datetime.fromisoformat(created) for one in before} == {True}
    assert f"created at {created}" in before[0].text
    assert told[: len(before)] == before


def test_every_occurrence_is_told_of_once(drill: Drill) -> None:
    told = [one for one in drill.all_of("plain") if one.reason != "BEFORE_CREATION"]
    instants = [one.at for one in told]
    assert instants == [instants[0] + timedelta(seconds=n) for n in range(len(told))]
    known = {one["name"] for one in drill.runs("plain") if one["trigger"] == "TRIGGER_SCHEDULE"}
    assert {one.run for one in told if one.run} <= known
    assert not [one for one in told if one.outcome in ("MISSING", "UNKNOWN")]


def test_caught_up_after_an_outage(drill: Drill) -> None:
    for one in _of(drill.all_of("plain"), "SUCCEEDED", "CAUGHT_UP"):
        assert drill.marks["stopped"] - timedelta(seconds=2) < one.at < drill.marks["back"]
        assert "no scheduler could run it before" in one.text


def test_older_than_the_catch_up_window(drill: Drill) -> None:
    for one in _of(drill.all_of("forgetful"), "SKIPPED", "CATCH_UP_WINDOW"):
        assert drill.marks["stopped"] - timedelta(seconds=2) < one.at < drill.marks["back"]
        assert "the catch-up window is 1.0 s" in one.text


def test_paused_by_whom_and_why(drill: Drill) -> None:
    told = drill.all_of("asleep")
    paused = _of(told, "SKIPPED", "PAUSED")
    assert all(one.at <= drill.marks["resumed"] for one in paused)
    assert all("by 127.0.0.1" in one.text and '"stock-taking"' in one.text for one in paused)
    # It stands for all of the pause, of which nothing is left unexplained.
    assert _of(told, "SUCCEEDED", "ON_TIME")
    assert not [one for one in told if one.outcome == "MISSING"]


def test_paused_by_itself_after_failures(drill: Drill) -> None:
    told = drill.all_of("hopeless")
    failed = _of(told, "FAILED", "TIMED_OUT")
    assert len(failed) >= 2
    paused = _of(told, "SKIPPED", "PAUSED")
    assert all(one.at > failed[1].at for one in paused)
    assert all("2 runs in a row have failed" in one.text for one in paused)
    assert all("by tickwheel" in one.text for one in paused)


def test_a_later_run_took_its_place(drill: Drill) -> None:
    for one in _of(drill.all_of("usurped"), "CANCELLED", "CANCELLED"):
        (successor,) = re.findall(r"(\S+) has taken its place \(OVERLAP_CANCEL_OTHER\)", one.text)
        assert one.text.startswith("Cancelled ")
        assert successor.strip('"') > one.run.rpartition("/")[2]


def test_what_lies_ahead(drill: Drill) -> None:
    ahead = _of(drill.all_of("plain"), "EXPECTED", "AHEAD")
    assert all("Will run in" in one.text or "about to be" in one.text for one in ahead)


def test_an_earlier_run_was_unfinished(drill: Drill) -> None:
    told = drill.all_of("crowded")
    skipped = _of(told, "SKIPPED", "OVERLAP")
    runs = {one["name"].rpartition("/")[2]: one for one in drill.runs("crowded")}
    for one in skipped:
        record = drill.call("GET", f"/v1/{one.run}")
        blocking = record["blockingRun"].rpartition("/")[2]
        assert f"run {blocking} was still unfinished (OVERLAP_SKIP)" in one.text
        assert runs[blocking]["state"] != "RUN_STATE_SKIPPED"


def test_a_cancellation_that_waits_for_its_executor(drill: Drill) -> None:
    (running,) = _of(drill.all_of("crowded"), "IN_PROGRESS", "ON_TIME")
    assert "no executor has reported its start" in running.text
    assert 'its cancellation was asked for: "wrong customer"' in running.text


def test_no_executor_reported_in_time(drill: Drill) -> None:
    for one in _of(drill.all_of("silent"), "FAILED", "TIMED_OUT"):
        assert "at its first attempt" in one.text
        assert "no executor has reported its end" in one.text


def test_waits_for_an_earlier_run(drill: Drill) -> None:
    told = drill.all_of("patient")
    (waiting,) = _of(told, "IN_PROGRESS", "WAITED")
    record = drill.call("GET", f"/v1/{waiting.run}")
    assert f"Waits until run {record['blockingRun'].rpartition('/')[2]}" in waiting.text
    assert _of(told, "SKIPPED", "OVERLAP")


def test_held_back_by_a_topics_rate(drill: Drill) -> None:
    told = drill.all_of("at-a-rate")
    gone = _of(told, "SUCCEEDED", "WAITED")
    waiting = _of(told, "IN_PROGRESS", "WAITED")
    by = "by the rate of its topic (TICKWHEEL_DISPATCH_RATE_PER_TOPIC)"
    assert all(by in one.text for one in [*gone, *waiting])
    assert "after it was due, held back for " in gone[0].text
    assert not [one for one in told if one.reason == "LATE" and one.at > drill.marks["back"]]


def test_held_back_by_a_limit_on_runs_in_flight(drill: Drill) -> None:
    told = drill.all_of("one-at-a-till")
    waiting = _of(told, "IN_PROGRESS", "WAITED")
    assert "TICKWHEEL_MAX_IN_FLIGHT_PER_TOPIC" in waiting[0].text
    assert not [one for one in told if one.reason == "LATE" and one.at > drill.marks["back"]]


def test_what_is_before_a_range_matters_for_it(drill: Drill) -> None:
    now = datetime.now(UTC)
    ahead = now + timedelta(minutes=1), now + timedelta(minutes=1, seconds=2)
    unfinished = drill.until_run("crowded", "PUBLISHED")["name"].rpartition("/")[2]
    for one in _of(drill.explain("crowded", *ahead), "EXPECTED", "AHEAD"):
        assert f"(OVERLAP_SKIP); run {unfinished} is unfinished now." in one.text
    for one in _of(drill.explain("at-a-rate", *ahead), "EXPECTED", "AHEAD"):
        assert "(TICKWHEEL_DISPATCH_RATE_PER_TOPIC) holds earlier ones back" in one.text


def test_nobody_is_behind_for_it(drill: Drill) -> None:
    text = httpx.get(f"http://{drill.dev.metrics_address}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert float(values['tickwheel_scheduler_held_back{limit="in_flight_per_topic"}']) > 1
    assert float(values['tickwheel_scheduler_held_back{limit="rate_per_topic"}']) > 1
    assert float(values["tickwheel_scheduler_lag_seconds"]) < 1


def test_max_runs_was_reached(drill: Drill) -> None:
    told = drill.all_of("thrice")
    assert len([one for one in told if one.outcome == "SUCCEEDED"]) == 3
    over = _of(told, "NOT_SCHEDULED", "MAX_RUNS")
    assert told[-len(over) :] == over
    assert "maxRuns is 3" in over[0].text


def test_a_time_that_does_not_exist(drill: Drill) -> None:
    (gap,) = drill.explain("berlin", "2027-03-28T00:00:00Z", "2027-03-28T12:00:00Z")
    assert (gap.outcome, gap.reason) == ("NOT_SCHEDULED", "DST_GAP")
    assert "2027-03-28 02:30 does not exist" in gap.text
    (moved,) = drill.explain("moving", "2027-03-28T00:00:00Z", "2027-03-28T12:00:00Z")
    assert (moved.outcome, moved.at.isoformat()) == ("EXPECTED", "2027-03-28T01:00:00+00:00")
    assert "02:30 does not exist" in moved.text
    assert "moved to 03:00" in moved.text


def test_a_time_that_comes_twice(drill: Drill) -> None:
    first, second = drill.explain("berlin", "2027-10-31T00:00:00Z", "2027-10-31T12:00:00Z")
    assert (first.outcome, first.at.hour) == ("EXPECTED", 0)
    assert (second.outcome, second.reason, second.at.hour) == ("NOT_SCHEDULED", "DST_OVERLAP", 1)


def test_excluded_and_out_of_range(drill: Drill) -> None:
    told = drill.explain("holidays", "2026-12-29T00:00:00Z", "2027-01-04T00:00:00Z")
    assert [(one.at.day, one.reason) for one in told] == [
        (29, "OUT_OF_RANGE"),
        (30, "AHEAD"),
        (31, "AHEAD"),
        (1, "EXCLUDED"),
        (2, "AHEAD"),
        (3, "OUT_OF_RANGE"),
    ]
    assert "2027-01-01 is named by the schedule's excludes" in told[3].text
    assert "startTime" in told[0].text
    assert "endTime" in told[-1].text


def test_the_schedule_was_changed(drill: Drill) -> None:
    told = drill.all_of("changed")
    changed = _of(told, "NOT_SCHEDULED", "UPDATED")
    # The new schedule's instants before the change, and the first one that the old one lost.
    assert any("holds since it was changed at" in one.text for one in changed)
    assert any("was replaced before" in one.text for one in changed)
    assert all("by 127.0.0.1" in one.text for one in changed)


def test_the_job_was_deleted(drill: Drill) -> None:
    told = drill.all_of("gone")
    deleted = _of(told, "NOT_SCHEDULED", "DELETED")
    assert told[-len(deleted) :] == deleted
    assert "the job was deleted at" in deleted[0].text


def test_two_jobs_of_one_name_one_after_the_other(drill: Drill) -> None:
    reasons = [one.reason for one in drill.all_of("twice-named")]
    first_ahead = reasons.index("AHEAD")
    assert "BEFORE_CREATION" in reasons
    assert "DELETED" in reasons[:first_ahead]
    assert "CAUGHT_UP" in reasons[reasons.index("DELETED") :]


def test_refusals(drill: Drill) -> None:
    url = f"{drill.dev.url}{_USER}"
    none = httpx.get(f"{url}/nobody:explain")
    assert (none.status_code, none.json()["details"][0]["reason"]) == (404, "JOB_NOT_FOUND")
    when = "2026-11-23T00:00:00Z"
    empty = httpx.get(f"{url}/plain:explain", params={"start_time": when, "end_time": when})
    assert (empty.status_code, empty.json()["details"][0]["reason"]) == (400, "TIME_RANGE_INVALID")
    token = httpx.get(f"{url}/plain:explain", params={"page_token": "x"})
    assert (token.status_code, token.json()["details"][0]["reason"]) == (400, "PAGE_TOKEN_INVALID")


def test_the_command_line(drill: Drill) -> None:
    start = (drill.begun - timedelta(seconds=9)).isoformat()
    shown = drill.dev.cli("explain", "users/7/jobs/asleep", "--start", start, check=True).stdout
    assert "SKIPPED" in shown
    assert '"stock-taking"' in shown
    assert "… the same for" in shown


def _counted(dev: DevProcess, name: str) -> float:
    lines = httpx.get(f"http://{dev.metrics_address}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def test_metrics_count_what_happened(drill: Drill) -> None:
    """Since the restart, as Prometheus reads it; each with the labels of the list alone."""
    drill.call("GET", f"{_USER}/plain")
    # A run tried again has its dead letter some seconds after the restart.
    deadline = time.monotonic() + 60
    while _counted(drill.dev, "tickwheel_runs_dead_letters_total") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    text = httpx.get(f"http://{drill.dev.metrics_address}/metrics").text
    series: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            series[name] = float(value)

    def total(name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for key, value in series.items()
            if key.partition("{")[0] == name and all(one in key for one in wanted)
        )

    assert total("tickwheel_runs_skipped_total", reason="catch_up_window") >= _AWAY_S - 1
    assert total("tickwheel_runs_skipped_total", reason="overlap") > 0
    assert total("tickwheel_runs_ended_total", state="succeeded") > 0
    assert total("tickwheel_runs_due_total", trigger="schedule") > 0
    assert total("tickwheel_runs_dispatched_total") > 0
    published = total("tickwheel_run_lateness_seconds_count")
    assert published >= total("tickwheel_runs_ended_total", state="succeeded")
    late = published - total("tickwheel_run_lateness_seconds_bucket", le="1.0")
    assert late >= 1
    assert total("tickwheel_scheduler_segments") == 64
    assert total("tickwheel_segments_unowned") == 0
    assert total("tickwheel_scheduler_workers") == 1
    assert total("tickwheel_runs_retried_total") > 0
    assert total("tickwheel_runs_dead_letters_total") > 0
    # One is due each second, and is with the worker some seconds before; others wait.
    assert total("tickwheel_worker_held") > 0
    assert total("tickwheel_scheduler_runs") > total("tickwheel_worker_held")
    for gauge in ("tickwheel_worker_unacknowledged", "tickwheel_scheduler_lag_seconds"):
        assert gauge in series
    assert total("tickwheel_observing_failures_total") == 0
    called = {"rpc_method": "tickwheel.v1.JobService/GetJob", "rpc_response_status_code": "OK"}
    assert total("rpc_server_call_duration_seconds_count", **called) >= 1
    assert total("db_client_operation_duration_seconds_count", db_operation_name="runs.record") > 0
    assert total("messaging_client_operation_duration_seconds_count") > 0
    known = {
        (metric.prometheus, label.replace(".", "_")) for metric in ALL for label in metric.labels
    }
    for key in series:
        name, _, labels = key.partition("{")
        if name.startswith(("tickwheel_", "rpc_", "db_", "messaging_")):
            base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            for label in re.findall(r'([a-z_]+)="', labels):
                assert label == "le" or (base, label) in known, key
