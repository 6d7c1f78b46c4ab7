"""The `rtseg` command: one module a subcommand, each loaded when its command runs."""

from rtseg.cli.app import main

__all__ = ["main"]
