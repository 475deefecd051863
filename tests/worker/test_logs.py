"""Logs of libraries have the form of our own."""

import json
import subprocess
import sys

import pytest

_SAY = """
import logging
from {module} import configure_logs
configure_logs("info", "{form}")
logging.getLogger("some.library").warning("cannot reach %s", "x")
logging.getLogger("some.library").info("chatter")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("some.library").exception("failed")
"""


@pytest.mark.parametrize("module", ["tickwheel.worker.logs", "tickwheel.server.wiring.logs"])
def test_what_libraries_say_is_json_too(module: str) -> None:
    said = _said(module, "json")
    first, second = map(json.loads, said.splitlines())
    assert first["event"] == "cannot reach x"
    assert (first["level"], first["logger"]) == ("warning", "some.library")
    assert first["timestamp"]
    assert second["level"] == "error"
    assert "ZeroDivisionError" in second["exception"]


def test_and_for_people() -> None:
    said = _said("tickwheel.worker.logs", "console")
    assert "[warning  ] cannot reach x" in said
    assert "some.library" in said


def _said(module: str, form: str) -> str:
    code = _SAY.format(module=module, form=form)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stderr
