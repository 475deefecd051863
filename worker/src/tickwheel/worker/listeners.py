"""Those who only observe: what goes wrong with them stops no work."""

from collections.abc import Callable
from typing import Generic, ParamSpec

import structlog

P = ParamSpec("P")

_log = structlog.get_logger(__name__)

_failures = 0


def failures() -> int:
    """How often a listener of this process has failed so far."""
    return _failures


class Listeners(Generic[P]):
    """Each hears of everything, whatever becomes of the others. Called by one thread."""

    def __init__(self, *listeners: Callable[P, object]) -> None:
        self._listeners = list(listeners)
        self._failed: list[Callable[P, object]] = []

    def append(self, listener: Callable[P, object]) -> None:
        """One more."""
        self._listeners.append(listener)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tells them all; one that raises is a defect, which is logged once and counted."""
        global _failures
        for listener in self._listeners:
            try:
                listener(*args, **kwargs)
            except Exception:
                _failures += 1
                if listener not in self._failed:
                    self._failed.append(listener)
                    name = getattr(listener, "__qualname__", repr(listener))
                    _log.exception("what only observes has failed", listener=name)
