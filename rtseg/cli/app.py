"""The application of the command line: it loads commands, and turns errors into one line and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from rtseg.cli.commands import COMMANDS
from rtseg.cli.signals import handle_signals
from rtseg.cli.standard_streams import prepare_streams
from rtseg.errors import RtsegError
from rtseg.exit_codes import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE
from rtseg.output import atomic_file, private_file
from rtseg.text.safe_text import safe_text

if TYPE_CHECKING:
    from rtseg.cli.console import console, show

__all__ = ["app", "console", "main", "show"]

_TAKES_MAX_PIXELS = frozenset(  # the commands that open a source or a dataset, including those of `rtseg bench`
    [
        "run",
        "adopt",
        "build",
        "calibrate",
        "demo",
        "doctor",
        "eval",
        "gate",
        "measure",
        "prove",
        "quantize",
        "train",
        "engines",
        "loop",
        "speckle",
        "temporal",
    ]
)
_TAKES_TRUST_MODEL = frozenset(  # the commands that open a model file
    [
        "run",
        "adopt",
        "doctor",
        "models",
        "prove",
        "streams",
        "average",
        "build",
        "calibrate",
        "eval",
        "export",
        "gate",
        "quantize",
        "engines",
        "loop",
        "speckle",
        "temporal",
    ]
)


class LazyCommandGroup(TyperGroup):
    """Loads the module of a command when the command runs, and turns its exceptions into one line and an exit code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.summary) for name, entry in COMMANDS.items()}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Print the help if there are no arguments, because some versions of Typer then print nothing."""
        if not args:
            typer.echo(ctx.get_help(), err=True)
            ctx.exit(EXIT_USAGE)
        with _safe_error_messages():
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command in the table, and load it with its own options."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and found else found, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands as plain text, because importing rich takes longer than everything else."""
        super(TyperGroup, self).format_help(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  the signature is Click's
        """Write each command's summary in full; Click's own list cuts it off at the terminal's width."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit with 1 after an error, with 130 after an interruption."""
        try:
            with _safe_error_messages():
                return super().invoke(ctx)
        except (RtsegError, OSError) as error:
            _print_error(f"error: {error}")
            sys.exit(EXIT_ERROR)
        except MemoryError:
            _print_error("error: the memory is full: close other programs, or give fewer streams or a smaller model")
            sys.exit(EXIT_ERROR)
        except KeyboardInterrupt:
            _print_error("stopped: what was written so far is kept")
            sys.exit(EXIT_INTERRUPTED)
        finally:
            atomic_file.release()
            private_file.set_mode()


app = typer.Typer(
    cls=LazyCommandGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Segment live ultrasound video with recurrent networks. Research software, not a medical device.",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"rtseg {version('rtseg')}")
        raise typer.Exit


@app.callback()
def _make_group(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
) -> None:
    """Let Typer make a group before any command is loaded."""


def load_command(name: str) -> Any:
    """Import the module of one command and return the command.

    A command that opens a source or a dataset gets `--max-pixels`, one that opens a model file `--trust-model`, and `run` gets
    `--config`.
    """
    from rtseg.cli.options.config_file import add_config
    from rtseg.cli.options.pixels import add_max_pixels
    from rtseg.cli.options.trust import add_trust_model

    import_module(COMMANDS[name].module)
    registered = typer.Typer()
    registered.registered_commands = app.registered_commands
    registered.registered_groups = app.registered_groups
    registered.callback()(_make_group)
    command = get_group(registered).commands[name]
    for one in (command, *getattr(command, "commands", {}).values()):
        if one.name in _TAKES_MAX_PIXELS:
            add_max_pixels(one)
        if one.name in _TAKES_TRUST_MODEL:
            add_trust_model(one)
    if name == "run":
        add_config(command)
    return command


def main() -> None:
    """Run the `rtseg` command."""
    prepare_streams()
    handle_signals()
    try:
        app()
    except SystemExit as ending:
        _exit_past_hung_threads(ending.code)
        raise


def _exit_past_hung_threads(code: Any) -> None:
    """End the process at once where an engine hangs, since the destructors of its library could block for ever."""
    module = sys.modules.get("rtseg.engines.hung_threads")
    if module and module.hung_threads():
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def __getattr__(name: str) -> Any:
    if name in ("console", "show"):
        return getattr(import_module("rtseg.cli.console"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@contextmanager
def _safe_error_messages() -> Iterator[None]:
    """Remove credentials from Typer's errors, because Typer repeats unknown arguments, such as an address with a password."""
    try:
        yield
    except Exception as error:
        if isinstance(getattr(error, "message", None), str) and not isinstance(error, RtsegError):
            error.message = safe_text(error.message)  # type: ignore[attr-defined]
        raise


def _print_error(text: str) -> None:
    from rtseg.cli.console import error_console

    error_console.print(safe_text(text), style="red", highlight=False)
