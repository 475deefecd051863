"""The wish that a handler stops, told to async and plain ones alike."""

import asyncio
import threading
from collections.abc import Generator
from enum import StrEnum


class CancelReason(StrEnum):
    """Why a handler should stop."""

    REQUESTED = "requested"
    """The run was cancelled, by a caller or by a later run (OVERLAP_CANCEL_OTHER)."""
    LOST = "lost"
    """The attempt is no longer this executor's: its time ran out, or another one supersedes it.
    What the handler does from now on counts for nothing."""
    HANDED_OVER = "handed over"
    """Another executor of the group was given the record and executes the attempt anew."""
    STOPPING = "stopping"
    """This executor stops, and the attempt will be executed anew by another one."""


class Cancellation:
    """Whether a handler should stop.

    True once it should: `if ctx.cancelled: …`. An async handler may await it, a plain function
    `wait` for it.
    """

    __slots__ = ("_for_tasks", "_for_threads", "_reason")

    def __init__(self) -> None:
        # Made when somebody waits: hardly any handler does.
        self._for_tasks: asyncio.Event | None = None
        self._for_threads: threading.Event | None = None
        self._reason: CancelReason | None = None

    def __bool__(self) -> bool:
        return self._reason is not None

    def __await__(self) -> Generator[object, None, CancelReason]:
        if self._reason is None:
            if self._for_tasks is None:
                self._for_tasks = asyncio.Event()
            yield from self._for_tasks.wait().__await__()
        assert self._reason is not None
        return self._reason

    @property
    def reason(self) -> CancelReason | None:
        """Why it should stop; None as long as it should not."""
        return self._reason

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks a plain function until it should stop, or for `timeout` seconds.

        Returns:
            Whether it should stop. `ctx.cancelled.wait(5)` is a sleep that ends early.
        """
        with _MAKING:
            if self._reason is not None:
                return True
            if self._for_threads is None:
                self._for_threads = threading.Event()
        return self._for_threads.wait(timeout)

    def set(self, reason: CancelReason) -> None:
        """Says that the handler should stop; the first reason stays. The executor calls this."""
        if self._reason is not None:
            return
        with _MAKING:
            self._reason = reason
        if self._for_tasks is not None:
            self._for_tasks.set()
        if self._for_threads is not None:
            self._for_threads.set()


#: A thread that begins to wait must not miss what is said meanwhile. Held for a moment only.
_MAKING = threading.Lock()
