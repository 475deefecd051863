"""What of logs goes into the debug bundle."""

import asyncio
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tickwheel.server.bundle import Part, Sources, gather
from tickwheel.server.cli_debug import app
from tickwheel.server.logexcerpt import excerpt

GATEWAY = """\
2026-11-27T14:00:00.000001Z [info     ] gateway serves                 http=127.0.0.1:7480
2026-11-27T14:00:01.000001Z [warning  ] telemetry failed               error=context deadline exceeded
2026-11-27T14:00:01.500001Z [warning  ] http: panic serving 127.0.0.1:1: no
goroutine 7 [running]:
net/http.(*conn).serve.func1()
2026-11-27T14:00:02.000001Z [error    ] gateway failed                 error=no such host
"""
SAYS = """
from tickwheel.{}.logs import configure_logs
import logging, structlog, sys
configure_logs("debug", sys.argv[1])
log = structlog.get_logger()
log.info("as usual")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it failed")
    logging.getLogger("driver").exception("a library failed")
log.debug("small")
raise KeyError("nobody has caught it")
"""


def said(whose: str, form: str) -> list[str]:
    """What a Python part says on standard error."""
    script = SAYS.format(whose)
    done = subprocess.run(
        [sys.executable, "-c", script, form], capture_output=True, text=True, check=False
    )
    return done.stderr.splitlines(keepends=True)


@pytest.mark.parametrize("whose", ["server.wiring", "worker"])
@pytest.mark.parametrize("form", ["console", "json"])
def test_errors_come_with_their_tracebacks(whose: str, form: str) -> None:
    lines = said(whose, form)
    kept = "".join(excerpt(lines, 1_000))
    assert "it failed" in kept
    assert "a library failed" in kept
    assert kept.count("ZeroDivisionError: division by zero") == 2
    assert kept.count("Traceback (most recent call last)") == 3
    assert kept.endswith("KeyError: 'nobody has caught it'\n")
    assert "as usual" not in kept
    assert "small" not in kept


def test_the_gateways_errors_are_known() -> None:
    lines = GATEWAY.splitlines(keepends=True)
    assert excerpt(lines, 1_000) == lines[1:]


def test_colours_of_a_terminal_hide_nothing() -> None:
    line = "\x1b[2m2026-11-27T14:00:00Z\x1b[0m [\x1b[31m\x1b[1merror    \x1b[0m] odd\n"
    assert excerpt([line], 10) == ["2026-11-27T14:00:00Z [error    ] odd\n"]


def test_the_last_ones_are_kept() -> None:
    lines = [f"2026-11-27T14:00:00Z [error    ] {number}\n" for number in range(50)]
    assert excerpt(lines, 3) == lines[-3:]


def gathered(logs: list[Path], metrics: tuple[str, ...] = ()) -> list[Part]:
    sources = Sources("127.0.0.1:1", metrics, tuple(logs), datetime.now(UTC))
    return asyncio.run(gather(sources))


def test_logs_of_one_name_do_not_take_each_others_place(tmp_path: Path) -> None:
    logs = [tmp_path / where / "log" / "tickwheel.log" for where in ("a", "b", "c")]
    for number, path in enumerate(logs):
        path.parent.mkdir(parents=True)
        path.write_text(f"2026-11-27T14:00:00Z [error    ] {number}\n")
    parts = {part.name: part for part in gathered(logs) if part.name.startswith("log-")}
    names = ["log-log-tickwheel.log", "log-log-tickwheel-2.log", "log-log-tickwheel-3.log"]
    assert list(parts) == names
    for path, part in zip(logs, parts.values(), strict=True):
        assert part.text == path.read_text()
        assert str(path) in part.said


def test_passwords_in_urls_are_hidden(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        '{"level": "error", "event": "http://u:hunter2@host/x", "to": "a@b"}\n'
        "2026-11-27T14:00:00Z [error    ] sasl://u:hunt/er2@h@host:9092 is away\n"
    )
    (part,) = (part for part in gathered([log]) if part.name.startswith("log-"))
    assert "hunt" not in part.text
    assert "http://(hidden)@host/x" in part.text
    assert '"to": "a@b"' in part.text


def test_an_address_that_is_none_is_named() -> None:
    parts = {part.name: part.said for part in gathered([], ("a b",))}
    assert "http://a b/about does not answer" in parts["about-a-b.json"]


def test_what_speaks_no_http_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in ("about", "metrics"):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1_000)
                    connection.sendall(b"\x00\x00\x18\x04\x00\n")

        place = f"127.0.0.1:{listener.getsockname()[1]}"
        with ThreadPoolExecutor(1) as threads:
            served = threads.submit(serve)
            parts = {part.name: part.said for part in gathered([], (place,))}
            served.result(10)
    said = parts[f"metrics-{place.replace(':', '-')}.txt"]
    assert said == f"what answers at http://{place}/metrics does not speak HTTP"


def test_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    target = str(tmp_path / "nowhere" / "x.zip")
    nobody = ("--address", "127.0.0.1:1", "--metrics", "127.0.0.1:1")
    told = CliRunner().invoke(app, ["bundle", "--file", target, *nobody])
    assert told.exit_code == 2
    assert "cannot be written: No such file or directory" in " ".join(told.output.split())
