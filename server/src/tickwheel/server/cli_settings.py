"""Settings from a command's flags; what is wrong with them is said by name."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tickwheel.server.settings import Settings


def settings_of(**flags: object) -> "Settings":
    """The settings; flags that are not None win over the environment.

    Raises:
        typer.Exit: with 2, after what is wrong was printed on standard error.
    """
    import pydantic

    from tickwheel.server.settings import Settings

    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # pyright: ignore[reportArgumentType]
    except pydantic.ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"])
            typer.echo(f"tickwheel: {name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from error
