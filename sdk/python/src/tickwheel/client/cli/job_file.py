"""A job as it is written down: its JSON form from a file, its payload from options."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from tickwheel.client.cli.arguments import content, read

if TYPE_CHECKING:
    from tickwheel.v1 import job_pb2, target_pb2


def read_job(path: str) -> "job_pb2.Job":
    """The job in a JSON file (`-`: standard input), as the REST API has it.

    Raises:
        typer.BadParameter: it cannot be read, is not JSON, or has a field that a job has not.
    """
    from google.protobuf import json_format

    from tickwheel.v1 import job_pb2

    try:
        return json_format.Parse(read(path), job_pb2.Job())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is not a job: {error}", param_hint="--file") from None


@dataclass(frozen=True, slots=True)
class PayloadOptions:
    """What was given of `--json`, `--text` and `--data`; each may be `@FILE`."""

    json: str | None = None
    text: str | None = None
    data: str | None = None

    def apply(self, payload: "target_pb2.Payload") -> None:
        """Set on the payload what was given, and leave it where nothing was.

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
