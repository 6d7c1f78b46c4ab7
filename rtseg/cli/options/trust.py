"""The option `--trust-model`, which is added to every command that opens a model file."""

import os
from typing import Annotated, Any

import typer

_VARIABLE = "RTSEG_TRUST_MODELS"  # read by rtseg.engines.validation.examination, which is slow to import
_HELP = "Load the file without a trial in a child process with limits on time and memory."


def add_trust_model(command: Any) -> None:
    """Add `--trust-model` to a command, once; it holds for this process and its children until the command ends."""
    added = next(parameter for parameter in typer.main.get_command(_template()).params if parameter.name == "trust_model")
    if all(parameter.name != added.name for parameter in command.params):
        command.params.append(added)


def _set_trust(ctx: typer.Context, is_trusted: bool) -> None:
    if not is_trusted:
        return
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "1"
    ctx.call_on_close(lambda: os.environ.pop(_VARIABLE) if before is None else os.environ.update({_VARIABLE: before}))


def _template() -> typer.Typer:
    """Return an application whose only command has the option, because Typer makes options from annotations only."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def only(
        trust_model: Annotated[
            bool, typer.Option("--trust-model", callback=_set_trust, expose_value=False, help=_HELP)
        ] = False,
    ) -> None: ...

    return app
