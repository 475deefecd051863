"""A user's handler, and how it is called so that nothing it raises goes further."""

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tickwheel.client.executor.context import RunContext
from tickwheel.client.executor.outcome import Outcome, raised, returned
from tickwheel.client.executor.threads import HandlerThreads

#: An async one, or a plain one, which is called in a thread.
HandlerFunction = Callable[[RunContext], Any]
#: Enters what a handler is called in.
Inside = Callable[[], AbstractContextManager[object]]


class Handler:
    """What executes the runs of a topic.

    Args:
        topic: whose runs.
        function: is called with a run's context.
        concurrency: how many of its runs are executed at once, at most.
    """

    def __init__(self, topic: str, function: HandlerFunction, concurrency: int) -> None:
        self.topic = topic
        self.function = function
        self.concurrency = concurrency
        call = getattr(function, "__call__", None)  # noqa: B004 - an object with an async one
        #: Whether it is called in the event loop.
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)

    async def call(self, context: RunContext, threads: HandlerThreads, span: Inside) -> Outcome:
        """Calls it, and says how it ended.

        Raises:
            CancelledError: only where a plain one is waited for; it goes on.
        """
        if not self.is_async:
            return await threads.call(functools.partial(self._call_plain, context, span))
        try:
            with span():
                result = await self.function(context)
        except BaseException as error:
            return raised(error)
        return returned(result)

    def _call_plain(self, context: RunContext, span: Inside) -> Outcome:
        try:
            with span():
                result = self.function(context)
        except BaseException as error:
            return raised(error)
        return returned(result)
