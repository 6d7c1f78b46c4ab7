"""The option `--max-pixels`, which is added to every command that opens a source or a dataset."""

from typing import Annotated, Any

import typer

from rtseg.limits import DEFAULT_MAX_PIXELS, set_max_pixels

_HELP = f"The most pixels that one picture may have; {DEFAULT_MAX_PIXELS} by default."


def add_max_pixels(command: Any) -> None:
    """Add `--max-pixels` to a command, once; it is set for the process before the command runs."""
    added = next(parameter for parameter in typer.main.get_command(_template()).params if parameter.name == "max_pixels")
    if all(parameter.name != added.name for parameter in command.params):
        command.params.append(added)


def _template() -> typer.Typer:
    """Return an application whose only command has the option, because Typer makes options from annotations only."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def only(
        max_pixels: Annotated[
            int | None, typer.Option("--max-pixels", callback=set_max_pixels, expose_value=False, help=_HELP)
        ] = None,
    ) -> None: ...

    return app
