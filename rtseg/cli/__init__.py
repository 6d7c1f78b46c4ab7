"""The `rtseg` command: one module for each subcommand, which is imported when the subcommand runs."""

from rtseg.cli.app import main

__all__ = ["main"]
