"""The executor as a user's program sees it."""

import asyncio
import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from tickwheel.client.channel import open_channel
from tickwheel.client.errors import ApiError
from tickwheel.client.executor.attempt import Attempt, Surroundings
from tickwheel.client.executor.dispatch import Dispatcher
from tickwheel.client.executor.errors import ExecutorError
from tickwheel.client.executor.execution import Executed, Execution
from tickwheel.client.executor.handler import Handler, HandlerFunction
from tickwheel.client.executor.heart import Heart
from tickwheel.client.executor.log_source import CALL_TIMEOUT_S, LogSource
from tickwheel.client.executor.port import Delivery, RecordSource
from tickwheel.client.executor.record import RunRecord
from tickwheel.client.executor.reports import Reports
from tickwheel.client.executor.threads import HandlerThreads
from tickwheel.client.executor.tracing import handler_spans
from tickwheel.client.retry import RetryPolicy
from tickwheel.v1 import executor_service_pb2, executor_service_pb2_grpc

if TYPE_CHECKING:
    from tickwheel.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_log = logging.getLogger(__name__)

F = TypeVar("F", bound=HandlerFunction)

DEFAULT_ADDRESS = "127.0.0.1:7420"
DEFAULT_GROUP = "tickwheel-executors"
_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
#: Of the contract, for `executor`.
_MAX_NAME = 128
#: For an async handler to end after its task was cancelled.
_LAST_MOMENTS_S = 1.0


class Executor:
    """Executes the runs of some topics: takes their records, calls handlers, reports.

    ```python
    executor = Executor()


    @executor.handler("billing")
    async def bill(ctx: RunContext) -> dict[str, int]:
        return {"invoices": await write_invoices(ctx.payload["report"])}


    executor.run()
    ```

    A run is executed by one executor of a group, at least once: what was in work when a process
    was killed is executed again. Where the api has an embedded log (`tickwheel dev`) records come
    from it, else from Kafka.

    Args:
        address: `host:port` of the api. Default: TICKWHEEL_ADDRESS, else 127.0.0.1:7420.
        group: executors of one group share the runs. Two groups on one topic would execute each
            run twice. Default: TICKWHEEL_GROUP, else `tickwheel-executors`.
        kafka_bootstrap: `host:port` of some brokers, comma-separated; the api is then not asked
            for its log. Default: TICKWHEEL_KAFKA_BOOTSTRAP, used where the api has none.
        kafka_security: how to log in to Kafka, as arguments of aiokafka (`security_protocol`,
            `ssl_context`, `sasl_…`).
        concurrency: how many runs are executed at once, at most. As many wait for their turn.
        drain_timeout: seconds that handlers may still take once the executor was told to stop.
        handover_timeout: seconds that handlers may still take when Kafka shares out the partitions
            anew; the whole group waits for that.
        cancel_grace: seconds from the wish that an async handler stops to the cancellation of its
            task. None: it is never cancelled.
        session_timeout: seconds of silence after which an executor is taken for dead and others
            are given its records; Kafka takes no less than 6 by default.
        retry: how long to wait between two tries of a report; how often is not limited by it.
        name: of this executor, for people, at most 128 characters. Default: host and process.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        group: str | None = None,
        kafka_bootstrap: str | None = None,
        kafka_security: Mapping[str, Any] | None = None,
        concurrency: int = 16,
        drain_timeout: float = 20.0,
        handover_timeout: float = 10.0,
        cancel_grace: float | None = 5.0,
        session_timeout: float = 10.0,
        retry: RetryPolicy | None = None,
        name: str | None = None,
    ) -> None:
        self._address = address or os.environ.get("TICKWHEEL_ADDRESS") or DEFAULT_ADDRESS
        self._group = group or os.environ.get("TICKWHEEL_GROUP") or DEFAULT_GROUP
        self._kafka_bootstrap = kafka_bootstrap
        self._kafka_security = kafka_security or {}
        self._concurrency = concurrency
        self._drain_timeout = drain_timeout
        self._handover_timeout = handover_timeout
        self._cancel_grace = cancel_grace
        self._session_timeout = session_timeout
        self._retry = retry or RetryPolicy()
        self._name = name or f"{socket.gethostname()[:100]}-{os.getpid()}"
        self._handlers: dict[str, Handler] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        _check_range("concurrency", concurrency, 1, 10_000)
        _check_range("drain_timeout", drain_timeout, 0, 86_400)
        _check_range("handover_timeout", handover_timeout, 0, 1_800)
        _check_range("session_timeout", session_timeout, 1, 3_600)
        if cancel_grace is not None:
            _check_range("cancel_grace", cancel_grace, 0, 86_400)
        _check_range("the length of name", len(self._name), 1, _MAX_NAME)
        _check_range("the length of group", len(self._group), 1, 128)

    def handler(self, topic: str, *, concurrency: int | None = None) -> Callable[[F], F]:
        """Makes a function the handler of a topic's runs.

        It is called with a RunContext. What it returns, JSON of 64 KiB at most, is kept on the run
        as its result; when it raises, the run (the attempt) has failed. An async function runs in
        the event loop and must not block it; a plain one runs in a thread.

        Args:
            topic: the jobs' `target.topic`.
            concurrency: how many of its runs are executed at once, at most. Default: as many as of
                all topics together.

        Raises:
            ValueError: there can be no such topic, it has a handler, or `concurrency` is out of its
                range.
        """
        # Also a function, where the decorator was written without its topic.
        if not isinstance(topic, str) or not _TOPIC.fullmatch(topic):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"topic is {topic!r}: must be 1-249 of letters, digits, '.', '_', '-', and not "
                "'.' or '..'"
            )
        limit = self._concurrency if concurrency is None else concurrency
        _check_range("concurrency", limit, 1, 10_000)

        def register(function: F) -> F:
            if topic in self._handlers:
                raise ValueError(f"topic {topic!r} has a handler already")
            self._handlers[topic] = Handler(topic, function, min(limit, self._concurrency))
            return function

        return register

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT, then stops in order; a second signal ends it at once.

        Logs to standard error unless logging is set up already.

        Raises:
            ExecutorError: it cannot start, or cannot go on.
        """
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        # Not asyncio.run, which would wait for ever for a handler that does not let itself be
        # cancelled.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._run())
        finally:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(_cut_off(asyncio.all_tasks(loop)))
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()

    async def serve(self) -> None:
        """Runs until `stop` is called, then stops in order. Leaves signals alone.

        In order: takes no more records; lets the handlers end, for `drain_timeout`; asks those that
        are left to stop; reports, commits, and leaves the group. What is unfinished is executed
        anew by others. When it is cancelled instead, all of it is.

        Raises:
            ExecutorError: it cannot start, or cannot go on; handlers had their time to end.
        """
        if not self._handlers:
            raise ExecutorError("there is no handler: @executor.handler(topic) makes one")
        if self._stopped is not None:
            raise ExecutorError("this executor runs already")
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        channel = open_channel(self._address)
        try:
            await self._serve(executor_service_pb2_grpc.ExecutorServiceStub(channel))
        finally:
            self._stopped = None
            await channel.close()

    def stop(self) -> None:
        """Makes `serve` or `run` stop in order. May be called from any thread."""
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()

        def stop(number: signal.Signals) -> None:
            _log.info("stopping (%s)", number.name)
            loop.remove_signal_handler(number)
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        await self.serve()

    async def _serve(self, stub: "ExecutorServiceAsyncStub") -> None:
        assert self._stopped is not None
        stopped = asyncio.create_task(self._stopped.wait())
        finding = asyncio.create_task(self._find_source(stub))
        try:
            await asyncio.wait((finding, stopped), return_when=asyncio.FIRST_COMPLETED)
            if finding.done():
                await self._execute(stub, finding.result(), stopped)
        finally:
            stopped.cancel()
            finding.cancel()

    async def _execute(
        self,
        stub: "ExecutorServiceAsyncStub",
        source: RecordSource,
        stopped: "asyncio.Task[Any]",
    ) -> None:
        reports = Reports(stub, self._name, self._retry)
        heart = Heart(reports)
        threads = HandlerThreads("tickwheel-handler")
        spans = handler_spans(source.system, self._group)
        shared = Surroundings(reports, heart, threads, spans, self._cancel_grace)
        executed = Executed()

        def attempt_of(record: RunRecord) -> Attempt:
            return Attempt(record, self._handlers[record.delivery.topic], shared)

        def ended(delivery: Delivery, is_finished: bool) -> None:
            (source.finished if is_finished else source.unfinished)(delivery)

        dispatcher = Dispatcher(
            {topic: handler.concurrency for topic, handler in self._handlers.items()},
            self._concurrency,
            lambda delivery: Execution(delivery, executed, attempt_of),
            ended,
        )
        beating = asyncio.create_task(heart.run())
        taking = asyncio.create_task(source.run(dispatcher))
        _log.info(
            "executor %s takes %s from %s, group %s",
            self._name,
            ", ".join(self._handlers),
            source.describe(),
            self._group,
        )
        try:
            await asyncio.wait(
                (taking, beating, dispatcher.failed, stopped), return_when=asyncio.FIRST_COMPLETED
            )
            source.stop()
            await asyncio.wait((taking,), timeout=_LAST_MOMENTS_S)
            await self._drain(dispatcher)
        finally:
            source.stop()
            taking.cancel()
            await dispatcher.cut_off()
            await source.close()
            beating.cancel()
            await asyncio.gather(taking, beating, return_exceptions=True)
            await reports.close()
            threads.close()
        for part in (dispatcher.failed, beating, taking):
            if part.done() and not part.cancelled() and (error := part.exception()) is not None:
                raise error
        _log.info("executor %s has stopped", self._name)

    async def _drain(self, dispatcher: Dispatcher) -> None:
        await dispatcher.let_go(self._drain_timeout)
        dispatcher.give_up()
        await dispatcher.let_go((self._cancel_grace or 0.0) + _LAST_MOMENTS_S)

    async def _find_source(self, stub: "ExecutorServiceAsyncStub") -> RecordSource:
        """The embedded log where the api has one, else Kafka."""
        topics = list(self._handlers)
        if self._kafka_bootstrap:
            return self._kafka_source(self._kafka_bootstrap, topics)
        if await self._has_embedded_log(stub, topics[0]):
            return LogSource(stub, self._group, topics, self._session_timeout, self._retry)
        bootstrap = os.environ.get("TICKWHEEL_KAFKA_BOOTSTRAP")
        if not bootstrap:
            raise ExecutorError(
                f"the log of the api at {self._address} is Kafka: name its brokers by "
                "kafka_bootstrap or TICKWHEEL_KAFKA_BOOTSTRAP"
            )
        return self._kafka_source(bootstrap, topics)

    def _kafka_source(self, bootstrap: str, topics: Sequence[str]) -> RecordSource:
        try:
            from tickwheel.client.executor.kafka_source import KafkaSource
        except ModuleNotFoundError as error:
            if error.name != "aiokafka":
                raise
            raise ExecutorError(
                "the log is Kafka: install the client with its extra, tickwheel-client[kafka]"
            ) from None
        return KafkaSource(
            bootstrap,
            self._group,
            topics,
            session_timeout=self._session_timeout,
            handover_timeout=self._handover_timeout,
            security=self._kafka_security,
        )

    async def _has_embedded_log(self, stub: "ExecutorServiceAsyncStub", topic: str) -> bool:
        """Asks the api until it answers."""
        request = executor_service_pb2.PullRecordsRequest(topic=topic, group=self._group, max=0)
        failures = 0
        while True:
            try:
                await stub.PullRecords(request, timeout=CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                failure = ApiError.from_rpc_error(error)
                if failure.reason == "ENGINE_UNSUPPORTED":
                    return False
                if failure.code is grpc.StatusCode.INVALID_ARGUMENT:
                    raise ExecutorError(f"topic {topic!r} cannot be pulled: {failure}") from error
                failures += 1
                wait = self._retry.wait(failures, failure.retry_delay)
                _log.warning(
                    "the api at %s is asked again in %.1f s: %s", self._address, wait, failure
                )
                await asyncio.sleep(wait)
            else:
                return True


async def _cut_off(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_LAST_MOMENTS_S)


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}: must be {least:,} to {most:,}")
