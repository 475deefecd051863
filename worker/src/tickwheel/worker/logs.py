"""Structured logs on standard error, for people or as JSON."""

import logging
import sys

import structlog


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
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(threshold, logging.WARNING),
        stream=sys.stderr,
        format="%(levelname)s %(name)s %(message)s",
    )
    # It logs each failed attempt as an error; that Kafka is away is said once, by the publisher.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
