"""Defines how much a benchmark measures."""

from dataclasses import dataclass

LEAST_FRAMES, LEAST_S = 2000, 60.0  # of each run; with less of either, the report is marked as quick
ALONE_FRAMES = 100  # maximum frames in a round of the engine alone


@dataclass(frozen=True, slots=True)
class Plan:
    """Holds how much is measured; the same for each run."""

    frames: int = LEAST_FRAMES  # minimum frames of a run, without the warm-up
    seconds: float = LEAST_S  # minimum duration of a run, without the warm-up
    warmup: int = 30  # first frames of each run, which are not counted
    rounds: int = 5  # alternations between the engine alone and the whole pipeline
    fps: float | None = None  # frame rate of the paced run; None: the source's own
    minutes: float = 0.0  # duration of the sustained run; 0: none
    cold: bool = True  # also time a cold start in a fresh process

    @property
    def quick(self) -> bool:
        """Return True if the plan measures less than a citable report requires."""
        return self.frames < LEAST_FRAMES or self.seconds < LEAST_S
