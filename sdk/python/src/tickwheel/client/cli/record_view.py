"""A record of the log as people see it."""

from rich.text import Text

from tickwheel.client.cli.output import console, instant, text
from tickwheel.v1 import executor_service_pb2


def print_line(record: executor_service_pb2.Record, *, headers: bool) -> None:
    """Print when, where, key and value on one line; with `headers`, each of them on a further one.

    What is not UTF-8 is shown by its escapes.
    """
    line = Text("  ").join(
        [
            text(instant(record.append_time)),
            text(f"{record.topic}/{record.partition}@{record.offset}"),
            text(_decoded(record.key), "cyan"),
            text(_decoded(record.value)),
        ]
    )
    console().print(line, soft_wrap=True)
    if headers:
        for header in record.headers:
            shown = f"    {header.key}: {_decoded(header.value)}"
            console().print(text(shown, "dim"), soft_wrap=True)


def _decoded(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
