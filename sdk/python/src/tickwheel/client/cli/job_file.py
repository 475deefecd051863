"""A job as it is written down: its JSON form from a file, its payload from options."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tickwheel.client.cli.arguments import content, read

if TYPE_CHECKING:
    from tickwheel.v1 import job_pb2, target_pb2


def read_job(path: str) -> "job_pb2.Job":
    """The job in a JSON file (`-`: standard input), as the REST API has it.

    Raises:
        typer.BadParameter: it cannot be read, is not JSON, or has a field that a job has not.
    """
    return read_changes(path)[0]


def read_changes(path: str) -> "tuple[job_pb2.Job, list[str]]":
    """The same, and the paths of what is written there, empty and zero values included."""
    from google.protobuf import json_format

    from tickwheel.client.cli.fields import written_paths
    from tickwheel.v1 import job_pb2

    written = read(path)
    try:
        job = json_format.Parse(written, job_pb2.Job())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is not a job: {error}", param_hint="--file") from None
    return job, written_paths(job, json.loads(written))


@dataclass(frozen=True, slots=True)
class PayloadOptions:
    """What was given of `--json`, `--text` and `--data`; each may be `@FILE`."""

    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="JSON|@FILE", show_default=False, help="Payload: any JSON value."
        ),
    ] = None
    text: Annotated[
        str | None,
        typer.Option("--text", metavar="TEXT|@FILE", show_default=False, help="Payload: text."),
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA|@FILE",
            show_default=False,
            help="Payload: bytes. @- is standard input, as for the other two.",
        ),
    ] = None

    def apply(self, payload: "target_pb2.Payload") -> bool:
        """Set on the payload what was given, and leave it where nothing was; whether any was.

        Raises:
            typer.BadParameter: two were given, or one is not of its kind.
        """
        from google.protobuf import json_format

        options = {"--json": self.json, "--text": self.text, "--data": self.data}
        given = [option for option, value in options.items() if value is not None]
        if len(given) > 1:
            raise typer.BadParameter(f"give only one of {', '.join(given)}")
        try:
            if self.json is not None:
                payload.json.Clear()
                json_format.Parse(content(self.json), payload.json)
            elif self.text is not None:
                payload.text = content(self.text).decode()
            elif self.data is not None:
                payload.data = content(self.data)
        except json_format.ParseError as error:
            raise typer.BadParameter(f"it is not JSON: {error}", param_hint="--json") from None
        except UnicodeDecodeError as error:
            raise typer.BadParameter(f"it is not UTF-8: {error}", param_hint=given[0]) from None
        return bool(given)
