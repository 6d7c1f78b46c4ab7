"""The `rtseg` command: one module a subcommand."""

from rtseg.cli import (  # noqa: F401  each adds its command to the app
    average,
    bench,
    build,
    demo,
    doctor,
    evaluate,
    export,
    gate,
    models,
    quantize,
    run,
    train,
)
from rtseg.cli.app import main

__all__ = ["main"]
