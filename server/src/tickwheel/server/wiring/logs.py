"""Structured logs on standard error, for people or as JSON."""

import logging
import sys

import structlog

from tickwheel.server.trace import current_trace_id
from tickwheel.worker.logs import route_standard_library


def _with_trace(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """What is said while a call is served bears its trace."""
    trace_id = current_trace_id()
    if trace_id:
        event.setdefault("trace", trace_id)
    return event


def configure_logs(level: str, form: str) -> None:
    """Sets up structlog and the standard library's loggers alike.

    Args:
        level: debug, info, warning or error.
        form: console or json.
    """
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Drivers speak through the standard library; what they say below a warning is for debugging.
    route_standard_library(threshold, processors, renderer)
