"""Threads for plain handlers."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

_Job = Callable[[], None]


class HandlerThreads:
    """As many threads as there are calls at once; they are kept for further calls.

    Daemon threads, unlike those of `concurrent.futures`: a handler that does not end cannot keep
    the process from ending. Belongs to the event loop.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._count = 0
        self._idle = 0

    async def call(self, function: Callable[[], T]) -> T:
        """Calls a function, which must not raise, in a thread and in a copy of this context.

        When this is cancelled the function goes on; what it returns is lost.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def ended(result: T) -> None:
            self._idle += 1
            if not future.done():
                future.set_result(result)

        def work() -> None:
            result = context.run(function)
            # A loop that is closed waits for nobody.
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended, result)

        if self._idle:
            self._idle -= 1
        else:
            self._count += 1
            threading.Thread(
                target=self._serve, name=f"{self._name}-{self._count}", daemon=True
            ).start()
        self._jobs.put(work)
        return await future

    def close(self) -> None:
        """Ends the threads that have nothing to do, and the others once their call returns."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
