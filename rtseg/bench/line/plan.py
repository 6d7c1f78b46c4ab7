"""How much a benchmark measures."""

from dataclasses import dataclass

LEAST_FRAMES, LEAST_S = 2000, 60.0  # of each run; with less of either, the report calls itself quick
ALONE_FRAMES = 100  # of a round of the engine alone, at most


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, the same for each run.

    frames, seconds: at the least, warm-up not counted. warmup: the first frames of each run, which do not count. rounds: the
    engine alone and the whole line take turns this often. fps: the pace of the paced run, None for the source's own.
    minutes: how long the sustained run lasts, 0 for none. cold: whether a fresh process is timed, too.
    """

    frames: int = LEAST_FRAMES
    seconds: float = LEAST_S
    warmup: int = 30
    rounds: int = 5
    fps: float | None = None
    minutes: float = 0.0
    cold: bool = True

    @property
    def quick(self) -> bool:
        """Whether it measures less than a report that is to be cited."""
        return self.frames < LEAST_FRAMES or self.seconds < LEAST_S
