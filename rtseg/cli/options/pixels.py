"""The option `--max-pixels`, which is added to every command that opens a source or a dataset."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from rtseg.limits import DEFAULT_MAX_PIXELS, MAX_PIXELS_VARIABLE, check_max_pixels

_HELP = f"The most pixels that one picture may have; {DEFAULT_MAX_PIXELS} by default."


def add_max_pixels(command: Any) -> None:
    """Add `--max-pixels` to a command, once; it holds for the process while the command runs."""
    added = next(parameter for parameter in typer.main.get_command(_template()).params if parameter.name == "max_pixels")
    if all(parameter.name != added.name for parameter in command.params):
        command.params.append(added)


def _set_max_pixels(context: typer.Context, pixels: int | None) -> None:
    """Set the limit in the environment until the command ends, so that each thread and each child process has it."""
    if pixels is not None:
        context.with_resource(_max_pixels_variable(check_max_pixels(pixels)))


@contextmanager
def _max_pixels_variable(pixels: int) -> Iterator[None]:
    before = os.environ.get(MAX_PIXELS_VARIABLE)
    os.environ[MAX_PIXELS_VARIABLE] = str(pixels)
    try:
        yield
    finally:
        os.environ.pop(MAX_PIXELS_VARIABLE)
        if before is not None:
            os.environ[MAX_PIXELS_VARIABLE] = before


def _template() -> typer.Typer:
    """Return an application whose only command has the option, because Typer makes options from annotations only."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def only(
        max_pixels: Annotated[
            int | None, typer.Option("--max-pixels", callback=_set_max_pixels, expose_value=False, help=_HELP)
        ] = None,
    ) -> None: ...

    return app
