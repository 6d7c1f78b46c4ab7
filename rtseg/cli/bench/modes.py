"""A command whose modes are subcommands: a mode may also be written as a flag, and one mode is the default."""

from typing import Any

from typer.core import TyperGroup

DEFAULT_BENCH_MODE = "run"  # the mode if the arguments name none


class BenchModeGroup(TyperGroup):
    """Accepts `bench clip.mp4` for `bench run clip.mp4`, and `bench --kernels` for `bench kernels`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the mode to the front, where Click expects the subcommand."""
        if not args or args == ["--help"]:
            return super().parse_args(ctx, args or [DEFAULT_BENCH_MODE])
        return super().parse_args(ctx, self._with_mode_first(args))

    def _with_mode_first(self, args: list[str]) -> list[str]:
        if args[0] in self.commands:
            return args
        flags = [arg for arg in args if arg.startswith("--") and arg[2:] in self.commands and arg != f"--{DEFAULT_BENCH_MODE}"]
        if not flags:
            return [DEFAULT_BENCH_MODE, *args]
        flag, rest = flags[0], list(args)
        rest.remove(flag)
        return [flag[2:], *rest]
