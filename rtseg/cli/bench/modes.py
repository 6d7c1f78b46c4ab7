"""A command with modes: each is a subcommand, may be spelt as a flag, and one is meant where none is named."""

from typing import Any

from typer.core import TyperGroup

MEANT = "run"  # where the arguments name no mode


class Modes(TyperGroup):
    """`bench clip.mp4`, `bench run clip.mp4`, `bench --kernels` and `bench kernels` alike."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Bring the mode to the front, where a group looks for it."""
        if not args or args == ["--help"]:
            return super().parse_args(ctx, args or [MEANT])
        return super().parse_args(ctx, self._with_mode_first(args))

    def _with_mode_first(self, args: list[str]) -> list[str]:
        if args[0] in self.commands:
            return args
        flags = [arg for arg in args if arg.startswith("--") and arg[2:] in self.commands and arg != f"--{MEANT}"]
        if not flags:
            return [MEANT, *args]
        flag, rest = flags[0], list(args)
        rest.remove(flag)
        return [flag[2:], *rest]
