"""What happened, in order: a digest that tells whether two runs were the same, and lines."""

import logging
import traceback
from collections.abc import MutableMapping
from hashlib import blake2b
from typing import Any

import structlog

from simulator.loop import SimLoop
from simulator.process import PROCESS


class Trace:
    """Notes of one simulation."""

    def __init__(self, loop: SimLoop, *, verbose: bool) -> None:
        self._loop = loop
        self._verbose = verbose
        self._digest = blake2b(digest_size=8)
        self.lines: list[str] = []

    def note(self, *what: object) -> None:
        """Something that two equal runs have in common."""
        text = f"{self._loop.now_us} {' '.join(map(str, what))}"
        self._digest.update(text.encode())
        if self._verbose:
            self._add(text)

    def digest(self) -> str:
        """Of all that was noted."""
        return self._digest.hexdigest()

    def hear_logs(self) -> None:
        """Takes the production code's logs in as well, or silences them."""
        if self._verbose:
            structlog.configure(processors=[self._log], cache_logger_on_first_use=False)
        else:
            structlog.configure(
                wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
                cache_logger_on_first_use=True,
            )

    def _log(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        text = str(event.pop("event"))
        error = event.pop("exc_info", None)
        if isinstance(error, BaseException):
            text += "\n" + "".join(traceback.format_exception(error))
        rest = " ".join(f"{key}={value}" for key, value in event.items())
        self._add(f"{self._loop.now_us} {PROCESS.get()} {method}: {text} {rest}")
        raise structlog.DropEvent

    def _add(self, text: str) -> None:
        now_us, rest = text.split(" ", 1)
        self.lines.append(f"{int(now_us) / 1e6:11.6f} {rest}")
