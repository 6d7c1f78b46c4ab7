"""The `rtseg` command: one module a subcommand."""

from rtseg.cli import bench, doctor, evaluate, export, models, run, train  # noqa: F401  each adds its command to the app
from rtseg.cli.app import main

__all__ = ["main"]
