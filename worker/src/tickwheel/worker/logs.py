"""Structured logs on standard error, for people or as JSON."""

import logging
import sys
from collections.abc import Sequence

import structlog

from tickwheel.worker.about import HIDDEN


def configure_logs(level: str, form: str) -> None:
    """Sets up structlog and the standard library's loggers alike.

    Args:
        level: debug, info, warning or error.
        form: console or json.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    route_standard_library(threshold, processors, renderer)
    # It logs each failed attempt as an error; that Kafka is away is said once, by the publisher.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def route_standard_library(
    threshold: int,
    processors: Sequence[structlog.typing.Processor],
    renderer: structlog.typing.Processor,
) -> None:
    """Gives what libraries say by the standard library the form of our own lines.

    Args:
        threshold: a level of `logging`; below a warning nothing of theirs is passed on.
        processors: what our own lines go through.
        renderer: what makes text of them.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler])
    # It repeats what it cannot read of OTEL_EXPORTER_OTLP_HEADERS: a token, as a rule.
    logging.getLogger("opentelemetry.util.re").addFilter(_without_arguments)


def _without_arguments(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    record.args = (HIDDEN,) * len(arguments)
    return True
