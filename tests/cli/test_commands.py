"""The client's commands from what is typed to what is sent and printed."""

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from cli.conftest import Run, Start
from client.stand_in import StandIn, status
from tickwheel.v1 import job_pb2, run_pb2

NAME = "users/7/jobs/nightly"
RUN = f"{NAME}/runs/20261123T120000000Z"


def job(name: str = NAME, *, text: str = "") -> job_pb2.Job:
    made = job_pb2.Job(name=name, state=job_pb2.JOB_STATE_ACTIVE)
    made.schedule.cron = "30 2 * * *"
    made.schedule.time_zone = "Europe/Berlin"
    made.target.topic = "billing"
    made.target.payload.text = text
    made.next_run_times.add(seconds=1_795_435_200)
    return made


def run(state: run_pb2.RunState, late_ms: int | None = None, name: str = RUN) -> run_pb2.Run:
    made = run_pb2.Run(name=name, state=state)
    made.due_time.FromJsonString("2026-11-23T12:00:00Z")
    if late_ms is not None:
        made.publish_time.FromMilliseconds(made.due_time.ToMilliseconds() + late_ms)
        made.topic, made.partition, made.offset = "billing", 0, 41
    return made


async def test_create_sends_what_was_typed(api: StandIn, tickwheel: Run) -> None:
    ended = await tickwheel(
        *("jobs", "create", "--id", "nightly", "--user", "7", "--at", "2026-11-23T12:00:00Z"),
        *("--time-zone", "Europe/Berlin", "--topic", "billing", "--key", "k"),
        *("--json", '{"report": ["daily", 1]}', "--description", "d"),
        *("--header", "a=1", "--header", "b=2=3", "--label", "team=billing"),
    )
    assert ended.code == 0, ended.err
    assert ended.lines == [f"created {NAME}", "next run 2026-11-23T12:00:00.000Z"]
    (call,) = api.calls["CreateJob"]
    assert (call.parent, call.job_id) == ("users/7", "nightly")
    assert call.job.schedule.at.ToJsonString() == "2026-11-23T12:00:00Z"
    assert call.job.schedule.time_zone == "Europe/Berlin"
    assert (call.job.target.topic, call.job.target.key) == ("billing", "k")
    assert dict(call.job.target.headers) == {"a": "1", "b": "2=3"}
    assert dict(call.job.labels) == {"team": "billing"}
    assert call.job.description == "d"
    assert call.job.target.payload.json.struct_value["report"][0] == "daily"


async def test_create_from_a_file_with_overrides(
    api: StandIn, tickwheel: Run, tmp_path: Path
) -> None:
    written = {
        "name": NAME,
        "schedule": {"cron": "30 2 * * *"},
        "target": {"topic": "billing", "payload": {"json": None}},
        "priority": 0,
    }
    (tmp_path / "payload").write_bytes(b"\xff")
    ended = await tickwheel(
        *("jobs", "create", "--file", "-", "--every", "5m"),
        *("--data", f"@{tmp_path}/payload", "--output", "json"),
        stdin=json.dumps(written),
    )
    assert ended.code == 0, ended.err
    (printed,) = map(json.loads, ended.lines)
    assert printed["name"] == NAME
    assert printed["schedule"]["every"] == "300s"
    assert printed["target"]["payload"] == {"data": "/w=="}
    assert printed["priority"] == 0
    assert printed["recentRuns"] == []
    (call,) = api.calls["CreateJob"]
    assert (call.parent, call.job_id) == ("users/7", "nightly")


POLICY = (
    *("--completion", "reported", "--run-timeout", "90s", "--overlap", "buffer-one"),
    *("--max-retries", "0", "--initial-backoff", "250ms", "--backoff-multiplier", "1.5"),
    *("--max-backoff", "1m", "--pause-after-failures", "0", "--catch-up-window", "0s"),
    *("--priority", "0", "--max-in-flight", "4", "--retention", "2d"),
)
POLICY_JSON = {
    "completion": "COMPLETION_REPORTED",
    "runTimeout": "90s",
    "overlapPolicy": "OVERLAP_BUFFER_ONE",
    "retryPolicy": {
        "maxRetryCount": 0,
        "initialBackoff": "0.250s",
        "backoffMultiplier": 1.5,
        "maxBackoff": "60s",
    },
    "catchUpWindow": "0s",
    "priority": 0,
    "maxInFlight": 4,
    "retention": "172800s",
}
SCHEDULE = (
    *("--every", "90s", "--anchor", "2026-11-23T00:00:05Z", "--jitter", "30s"),
    *("--start-time", "2026-11-23T00:00:00Z", "--end-time", "2026-12-01T00:00:00Z"),
    *("--exclude", "2026-11-23", "--exclude", "2026-11-26T00:00:00Z"),
    *("--dst-gap", "same-offset", "--dst-overlap", "both"),
)
SCHEDULE_JSON = {
    "every": "90s",
    "anchor": "2026-11-23T00:00:05Z",
    "jitter": "30s",
    "startTime": "2026-11-23T00:00:00Z",
    "endTime": "2026-12-01T00:00:00Z",
    "excludes": ["2026-11-23", "2026-11-26T00:00:00Z"],
    "dstGap": "DST_GAP_SAME_OFFSET",
    "dstOverlap": "DST_OVERLAP_BOTH",
}


async def test_create_takes_each_setting_of_a_job_as_an_option(
    api: StandIn, tickwheel: Run
) -> None:
    ended = await tickwheel(
        *("jobs", "create", "--id", "nightly", "--topic", "billing", *SCHEDULE, *POLICY),
        *("--max-runs", "7", "--type", "bill", "--content-type", "text/csv"),
        *("--dead-letter-topic", "graves", "--text", "a,b"),
    )
    assert ended.code == 0, ended.err
    (call,) = api.calls["CreateJob"]
    assert MessageToDict(call.job) == {
        "schedule": {**SCHEDULE_JSON, "maxRuns": 7},
        "target": {
            "topic": "billing",
            "type": "bill",
            "contentType": "text/csv",
            "deadLetterTopic": "graves",
            "payload": {"text": "a,b"},
        },
        **POLICY_JSON,
    }


async def test_update_sends_what_was_typed_and_names_it(api: StandIn, tickwheel: Run) -> None:
    api.jobs[NAME] = job(text="before")
    ended = await tickwheel("jobs", "update", NAME, *POLICY, "--label", "a=1", "--key", "")
    assert ended.code == 0, ended.err
    (call,) = api.calls["UpdateJob"]
    sent = MessageToDict(call.job)
    assert sent.pop("target", {}) == {}
    assert sent == {**POLICY_JSON, "name": NAME, "labels": {"a": "1"}}
    # Zero and empty values are told from what was not given.
    assert set(call.update_mask.paths) == {
        *("completion", "run_timeout", "overlap_policy", "pause_after_failures"),
        *("retry_policy.max_retry_count", "retry_policy.initial_backoff"),
        *("retry_policy.backoff_multiplier", "retry_policy.max_backoff", "catch_up_window"),
        *("priority", "max_in_flight", "retention", "labels", "target.key"),
    }
    ended = await tickwheel("jobs", "update", NAME, "--time-zone", "UTC", "--json", "null")
    assert ended.code == 0, ended.err
    assert set(api.calls["UpdateJob"][-1].update_mask.paths) == {
        *("schedule.time_zone", "target.payload")
    }


async def test_update_by_a_file_sets_what_is_empty_or_zero_too(
    api: StandIn, tickwheel: Run
) -> None:
    api.jobs[NAME] = job()
    api.jobs[NAME].max_in_flight = 3
    written: dict[str, object] = {
        "name": "another",
        "maxInFlight": 0,
        "labels": {},
        "retryPolicy": {"max_retry_count": None},
        "schedule": {"anyOf": {"schedules": [{"cron": "@daily"}]}, "maxRuns": 0},
        "target": {"payload": {"json": {"topic": 1}}, "headers": {}},
    }
    ended = await tickwheel("jobs", "update", NAME, "-f", "-", stdin=json.dumps(written))
    assert ended.code == 0, ended.err
    assert set(api.calls["UpdateJob"][-1].update_mask.paths) == {
        *("max_in_flight", "labels", "retry_policy.max_retry_count", "schedule.any_of"),
        *("schedule.max_runs", "target.payload", "target.headers"),
    }
    assert api.jobs[NAME].max_in_flight == 0
    # A form by option takes the place of the file's schedule.
    ended = await tickwheel(
        *("jobs", "update", NAME, "-f", "-", "--cron", "@hourly"), stdin=json.dumps(written)
    )
    paths = api.calls["UpdateJob"][-1].update_mask.paths
    assert [path for path in paths if path.startswith("schedule")] == ["schedule.cron"]
    ended = await tickwheel("jobs", "update", NAME)
    assert (ended.code, "say what to change" in ended.err) == (2, True)


async def test_run_by_hand_with_its_own_payload_and_policy(api: StandIn, tickwheel: Run) -> None:
    api.jobs[NAME] = job()
    ended = await tickwheel("jobs", "run", NAME)
    assert ended.code == 0, ended.err
    ended = await tickwheel("jobs", "run", NAME, "--json", '{"a": 1}', "--overlap", "allow-all")
    assert ended.code == 0, ended.err
    plain, own = api.calls["RunJob"]
    assert not plain.HasField("payload")
    assert plain.overlap_policy == job_pb2.OVERLAP_UNSPECIFIED
    assert MessageToDict(own.payload) == {"json": {"a": 1.0}}
    assert own.overlap_policy == job_pb2.OVERLAP_ALLOW_ALL


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--topic t --in 3s --priority high", "'--priority': 'high' is not a whole"),
        ("--topic t --in 3s --max-retries 9999999999", "Invalid value for '--max-retries'"),
        ("--topic t --in 3s --overlap never", "Invalid value for '--overlap'"),
        ("--topic t", "give one of --at, --in, --cron, --every"),
        ("--topic t --in 3s --every 5m", "give only one of --in, --every"),
        ("--in 3s", "give --topic"),
        ("--topic t --in 3", "'3' is not a duration: write 250ms, 3s, 5m, 1h30m or 2d"),
        ("--topic t --in 3s --json {", "Invalid value for --json"),
        ("--topic t --in 3s --json 1 --text 1", "give only one of --json, --text"),
        ("--topic t --in 3s --text @/nowhere", "cannot read /nowhere: No such file"),
        ("--topic t --in 3s --header a", "'a' is not of the form key=value"),
        ("--file -", 'no field named "shedule"'),
    ],
)
async def test_wrong_usage_is_explained(
    api: StandIn, tickwheel: Run, arguments: str, said: str
) -> None:
    ended = await tickwheel("jobs", "create", *arguments.split(), stdin='{"shedule": {}}')
    assert ended.code == 2
    assert said in ended.err
    assert not ended.out
    assert not api.calls


async def test_a_refusal_is_one_line_for_each_field(api: StandIn, tickwheel: Run) -> None:
    api.refusals["CreateJob"].append(
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "CRON_INVALID",
            fields=[("job.schedule.cron", "minute 61 is not 0-59\x1b[2J")],
        )
    )
    ended = await tickwheel("jobs", "create", "--topic", "t", "--cron", "61 * * * *")
    assert ended.code == 1
    assert ended.out == ""
    assert [line for line in ended.err.splitlines() if line.startswith("error")] == [
        "error: job.schedule.cron: minute 61 is not 0-59\\x1b[2J (CRON_INVALID)"
    ]


async def test_no_server_and_no_job(api: StandIn, tickwheel: Run) -> None:
    ended = await tickwheel("jobs", "get", "nightly")
    assert ended.code == 1
    assert "error: there is no job users/default/jobs/nightly (JOB_NOT_FOUND)\n" in ended.err
    ended = await tickwheel("jobs", "get", "nightly", "--address", "127.0.0.1:1")
    assert ended.code == 1
    assert "error: no answer from 127.0.0.1:1 (Connection refused)" in ended.err


async def test_get_shows_a_job_and_its_runs(api: StandIn, tickwheel: Run) -> None:
    api.jobs[NAME] = job(text="\x1b[31m[bold]red")
    api.jobs[NAME].recent_runs.append(run(run_pb2.RUN_STATE_SUCCEEDED, 3))
    ended = await tickwheel("jobs", "get", "nightly", TICKWHEEL_USER="7")
    assert ended.code == 0, ended.err
    shown = dict(line.split(maxsplit=1) for line in ended.lines if len(line.split()) > 1)
    assert shown["name"] == NAME
    assert shown["state"] == "ACTIVE"
    assert shown["schedule"] == "cron 30 2 * * * (Europe/Berlin)"
    assert shown["payload"] == "\\x1b[31m[bold]red"
    assert ended.lines[-1].split() == [
        *("2026-11-23T12:00:00.000Z", "SUCCEEDED", "3", "ms", "late", "billing/0@41", RUN)
    ]


async def test_lists_of_jobs(api: StandIn, tickwheel: Run) -> None:
    for number in range(3):
        name = f"users/7/jobs/{'long-' * 20}{number}"
        api.jobs[name] = job(name)
    ended = await tickwheel("jobs", "list", "--user", "-", "--filter", "state = ACTIVE")
    assert ended.code == 0, ended.err
    heading, *rows = ended.lines
    assert heading.split() == ["JOB", "STATE", "SCHEDULE", "TOPIC", "NEXT", "RUN"]
    assert [row.split()[0] for row in rows] == list(api.jobs)
    assert {(call.parent, call.filter) for call in api.calls["ListJobs"]} == {
        ("users/-", "state = ACTIVE")
    }
    api.calls.clear()
    ended = await tickwheel("jobs", "list", "--limit", "2", "--output", "json")
    assert [json.loads(line)["name"] for line in ended.lines] == list(api.jobs)[:2]
    assert len(api.calls["ListJobs"]) == 1


async def test_a_job_is_paused_resumed_run_and_deleted(api: StandIn, tickwheel: Run) -> None:
    api.jobs[NAME] = job()
    ended = await tickwheel("jobs", "pause", NAME, "--reason", "why")
    assert ended.lines[0] == f"paused {NAME}"
    assert api.jobs[NAME].pause_reason == "why"
    ended = await tickwheel("jobs", "resume", NAME, "-o", "json")
    assert json.loads(ended.out)["state"] == "JOB_STATE_ACTIVE"
    ended = await tickwheel("jobs", "run", NAME, "-o", "json")
    made = json.loads(ended.out)["name"]
    assert made.startswith(f"{NAME}/runs/")
    ended = await tickwheel("jobs", "delete", NAME)
    assert ended.lines == [f"deleted {NAME}"]
    assert not api.jobs


async def test_runs_are_listed_and_shown(api: StandIn, tickwheel: Run) -> None:
    skipped = run(run_pb2.RUN_STATE_SKIPPED, name=f"{NAME}/runs/2")
    skipped.skip_reason = run_pb2.SKIP_REASON_PAUSED
    await api.change(run(run_pb2.RUN_STATE_SUCCEEDED, 3), skipped)
    ended = await tickwheel("runs", "list", "--user", "7")
    assert ended.code == 0, ended.err
    assert ended.lines[2].split() == [
        *("2026-11-23T12:00:00.000Z", "SKIPPED", f"{NAME}/runs/2", "PAUSED")
    ]
    assert api.calls["ListRuns"][0].parent == "users/7/jobs/-"
    ended = await tickwheel("runs", "get", RUN.removeprefix("users/7/jobs/"), "--user", "7")
    shown = [line.split(maxsplit=1) for line in ended.lines]
    assert ["late", "3 ms late"] in shown
    assert ["published", "2026-11-23T12:00:00.003Z"] in shown


async def test_a_backfilled_run_is_not_late(api: StandIn, tickwheel: Run) -> None:
    backfilled = run(run_pb2.RUN_STATE_SUCCEEDED, 3)
    backfilled.trigger = run_pb2.TRIGGER_BACKFILL
    await api.change(backfilled)
    ended = await tickwheel("runs", "list", "--user", "7")
    assert "backfilled" in ended.out
    assert "ms late" not in ended.out


async def test_a_run_is_shown_with_its_attempts_progress_and_traceback(
    api: StandIn, tickwheel: Run
) -> None:
    made = run(run_pb2.RUN_STATE_FAILED, 2_500)
    made.attempt, made.dead_letter_topic = 2, "billing.dlq"
    made.error.message, made.error.type = "no luck", "LuckError"
    made.error.details = "Traceback:\n  File \x1b[31m"
    made.progress.fraction, made.progress.message = 0.4, "reading"
    for number, late_ms in ((1, 3), (2, 2_500)):
        attempt = made.attempts.add(attempt=number, state=run_pb2.RUN_STATE_FAILED, executor="e")
        attempt.due_time.FromMilliseconds(made.due_time.ToMilliseconds() + late_ms - 3)
        attempt.publish_time.FromMilliseconds(made.due_time.ToMilliseconds() + late_ms)
        attempt.topic, attempt.partition, attempt.offset = "billing", 0, 40 + number
        attempt.error.message = f"no luck {number}"
    waited = run(run_pb2.RUN_STATE_SKIPPED, name=f"{NAME}/runs/2")
    waited.skip_reason, waited.skipped_count = run_pb2.SKIP_REASON_OVERLAP, 3
    waited.blocking_run = RUN
    await api.change(made, waited)
    ended = await tickwheel("runs", "get", RUN)
    assert ended.code == 0, ended.err
    shown = [line.split(maxsplit=1) for line in ended.lines]
    # Of the first attempt: the second has waited for its backoff.
    assert ["late", "3 ms late"] in shown
    assert ["progress", "40% reading (1970-01-01T00:00:00.000Z)"] in shown
    assert "error type    LuckError" in ended.lines
    assert "dead letter   billing.dlq" in ended.lines
    assert "  File \\x1b[31m" in ended.lines
    assert ended.lines[-2].split()[:3] == ["1", "FAILED", "2026-11-23T12:00:00.000Z"]
    assert ended.lines[-1].endswith("billing/0@42  e         no luck 2")
    ended = await tickwheel("runs", "get", f"{NAME}/runs/2")
    assert f"in its way       {RUN}" in ended.lines
    assert any(line.startswith("stands for       3 occurrences, from") for line in ended.lines)


async def test_a_job_is_shown_with_its_settings(api: StandIn, tickwheel: Run) -> None:
    shown_job = job()
    shown_job.completion = job_pb2.COMPLETION_REPORTED
    shown_job.overlap_policy = job_pb2.OVERLAP_BUFFER_ONE
    shown_job.run_timeout.seconds, shown_job.priority = 60, 0
    shown_job.pause_after_failures = 2
    shown_job.retry_policy.max_retry_count = 3
    shown_job.retry_policy.initial_backoff.seconds = 1
    shown_job.retry_policy.backoff_multiplier = 1.5
    shown_job.retry_policy.max_backoff.seconds = 300
    api.jobs[NAME] = shown_job
    ended = await tickwheel("jobs", "get", NAME)
    assert ended.code == 0, ended.err
    shown = [" ".join(line.split()) for line in ended.lines]
    for line in (
        "completion REPORTED",
        "overlap BUFFER_ONE",
        "time-out 60s",
        "retries 3, after 1s, each time 1.5 times as long, 300s at most",
        "pauses after 2 failed runs in a row",
        "priority 0",
    ):
        assert line in shown


async def test_watch_prints_each_state_and_ends_after_so_many_runs(
    api: StandIn, start: Start
) -> None:
    watching = await start("runs", "watch", NAME, "--count", "2", "--recent", "0")
    assert watching.stderr
    while await watching.stderr.readline() != f"watching {NAME}\n".encode():
        assert not watching.stderr.at_eof()
    early = run(run_pb2.RUN_STATE_SUCCEEDED, -2, name=f"{NAME}/runs/2")
    final = run(run_pb2.RUN_STATE_SUCCEEDED, 3)
    await api.change(run(run_pb2.RUN_STATE_PENDING), final, final, early)
    out, _ = await watching.communicate()
    due = "2026-11-23T12:00:00.000Z"
    assert watching.returncode == 0
    assert [line.split() for line in out.decode().splitlines()] == [
        [due, "PENDING", RUN],
        [due, "SUCCEEDED", "3", "ms", "late", "billing/0@41", RUN],
        [due, "SUCCEEDED", "3", "ms", "late", "billing/0@41", RUN],
        [due, "SUCCEEDED", "2", "ms", "EARLY", "billing/0@41", f"{NAME}/runs/2"],
    ]


async def test_watch_as_json_comes_line_by_line_until_ctrl_c(api: StandIn, start: Start) -> None:
    watching = await start("runs", "watch", "--output", "json", "--recent", "0")
    assert watching.stdout
    assert watching.stderr
    while await watching.stderr.readline() != b"watching users/default/jobs/-\n":
        assert not watching.stderr.at_eof()
    await api.change(run(run_pb2.RUN_STATE_SUCCEEDED, 3))
    printed = json.loads(await watching.stdout.readline())
    assert printed["state"] == "RUN_STATE_SUCCEEDED"
    assert (printed["partition"], printed["offset"]) == (0, "41")
    watching.send_signal(signal.SIGINT)
    out, err = await watching.communicate()
    assert watching.returncode == 130
    assert (out, err) == (b"", b"")


async def test_a_reader_that_leaves_ends_the_command(api: StandIn, start: Start) -> None:
    for number in range(50):
        name = f"users/7/jobs/j{number}"
        api.jobs[name] = job(name, text="x" * 10_000)
    listing = await start("jobs", "list", "--output", "json")
    assert listing.stdout
    assert listing.stderr
    await listing.stdout.readline()
    listing.stdout._transport.close()  # pyright: ignore
    err = await listing.stderr.read()
    assert await listing.wait() == 1
    assert b"Traceback" not in err


async def test_preview(api: StandIn, tickwheel: Run) -> None:
    arguments = ("schedule", "preview", "--cron", "0 0 * * *", "--start", "2026-11-23T12:00:00Z")
    ended = await tickwheel(*arguments, "--count", "9", "--time-zone", "Europe/Berlin")
    assert ended.lines == [
        "every day",
        "",
        "       November 2026                  December 2026",
        " Mo  Tu  We  Th  Fr  Sa  Su     Mo  Tu  We  Th  Fr  Sa  Su",
        "                          1        [ 1][ 2]  3   4   5   6",
        "  2   3   4   5   6   7   8      7   8   9  10  11  12  13",
        "  9  10  11  12  13  14  15     14  15  16  17  18  19  20",
        " 16  17  18  19  20  21  22     21  22  23  24  25  26  27",
        " 23 [24][25][26][27][28][29]    28  29  30  31",
        "[30]",
        "",
        "2026-11-24T12:00:00.000Z  Tue 2026-11-24 13:00:00 +01:00 Europe/Berlin",
        "2026-11-25T12:00:00.000Z  Wed 2026-11-25 13:00:00 +01:00 Europe/Berlin",
        "2026-11-26T12:00:00.000Z  Thu 2026-11-26 13:00:00 +01:00 Europe/Berlin",
        "2026-11-27T12:00:00.000Z  Fri 2026-11-27 13:00:00 +01:00 Europe/Berlin",
        "2026-11-28T12:00:00.000Z  Sat 2026-11-28 13:00:00 +01:00 Europe/Berlin",
        "2026-11-29T12:00:00.000Z  Sun 2026-11-29 13:00:00 +01:00 Europe/Berlin",
        "2026-11-30T12:00:00.000Z  Mon 2026-11-30 13:00:00 +01:00 Europe/Berlin",
        "2026-12-01T12:00:00.000Z  Tue 2026-12-01 13:00:00 +01:00 Europe/Berlin",
        "2026-12-02T12:00:00.000Z  Wed 2026-12-02 13:00:00 +01:00 Europe/Berlin",
        "note: the clock goes back",
    ]
    (call,) = api.calls["PreviewSchedule"]
    assert (call.schedule.cron, call.schedule.time_zone) == ("0 0 * * *", "Europe/Berlin")
    ended = await tickwheel(*arguments, "--count", "2", "--no-calendar")
    assert ended.lines == [
        "every day",
        "2026-11-24T12:00:00.000Z",
        "2026-11-25T12:00:00.000Z",
        "note: the clock goes back",
    ]
    ended = await tickwheel(*arguments, "-o", "json")
    assert len(json.loads(ended.out)["times"]) == 10


async def test_a_preview_of_every_form_and_setting(
    api: StandIn, tickwheel: Run, tmp_path: Path
) -> None:
    written = tmp_path / "schedule.json"
    written.write_text('{"anyOf": {"schedules": [{"cron": "@daily"}]}, "maxRuns": 4}')
    start = ("--start", "2026-11-23T12:00:00Z")
    for arguments, expected in (
        (("--iso8601", "R/PT1H"), {"iso8601": "R/PT1H"}),
        (("--rrule", "FREQ=DAILY"), {"rrule": "FREQ=DAILY"}),
        (
            ("-f", str(written), "--max-runs", "5"),
            {"anyOf": {"schedules": [{"cron": "@daily"}]}, "maxRuns": 5},
        ),
        (
            SCHEDULE,
            SCHEDULE_JSON,
        ),
    ):
        ended = await tickwheel("schedule", "preview", *start, *arguments)
        assert ended.code == 0, ended.err
        assert MessageToDict(api.calls["PreviewSchedule"][-1].schedule) == expected
    # The date that is left out, by the last of them.
    assert "(23)[24][25]" in ended.out
    ended = await tickwheel("schedule", "preview", "-f", str(tmp_path / "missing"))
    assert ended.code == 2
    assert "cannot read" in ended.err
    written.write_text('{"corn": "@daily"}')
    ended = await tickwheel("schedule", "preview", "-f", str(written))
    assert ended.code == 2
    assert "is not a schedule" in ended.err


async def test_a_busy_job_is_explained_about_now(api: StandIn, tickwheel: Run) -> None:
    now = int(time.time())
    api.occurrences = range(now - 86_400, now + 3_600, 10)
    ended = await tickwheel("explain", NAME, "--limit", "200", "--output", "json")
    assert ended.code == 0, ended.err
    told = [datetime.fromisoformat(json.loads(line)["scheduleTime"]) for line in ended.lines]
    assert told[0].timestamp() >= now - 1_200
    assert told[-1].timestamp() >= now
    assert "--start and --end ask for others" in ended.err
    assert "there is more" not in ended.err
    # However few are wanted, what is about now is among them.
    api.occurrences = range(now - 86_400, now + 3_600, 2)
    ended = await tickwheel("explain", NAME, "--limit", "12", "--output", "json")
    told = [datetime.fromisoformat(json.loads(line)["scheduleTime"]) for line in ended.lines]
    assert len(told) <= 12
    assert told[-1].timestamp() > now
    assert "there is more" not in ended.err
    # A range that was asked for is kept.
    api.occurrences = range(now - 86_400, now + 3_600, 10)
    start = f"{datetime.fromtimestamp(now - 86_400, UTC):%FT%TZ}"
    ended = await tickwheel("explain", NAME, "--limit", "200", "--start", start)
    assert "there is more: --limit 200 was reached" in ended.err


async def test_what_comes_next_is_told_where_the_range_has_none(
    api: StandIn, tickwheel: Run
) -> None:
    made = job_pb2.Job(name=NAME)
    made.next_run_times.add(seconds=1_900_000_000)
    made.recent_runs.add().schedule_time.seconds = 1_600_000_000
    api.jobs[NAME] = made
    ended = await tickwheel("explain", NAME)
    assert ended.code == 0, ended.err
    assert "its last run was that of 2020-09-13T12:26:40.000Z\n" in ended.err
    assert "its next one is that of 2030-03-17T17:46:40.000Z\n" in ended.err
    api.jobs.clear()
    ended = await tickwheel("explain", NAME)
    assert ended.code == 0, ended.err
    assert ended.err == "nothing was to happen in that range, and nothing is known to have\n"
