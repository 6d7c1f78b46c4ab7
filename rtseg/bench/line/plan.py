"""Defines how much a benchmark measures."""

from dataclasses import dataclass

MIN_FRAMES, MIN_SECONDS = 2000, 60.0  # of each run; with less of either, the report is marked as quick
ENGINE_ROUND_FRAMES = 100  # maximum frames in a round of the engine alone


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """Holds how much is measured; the same for each run."""

    frames: int = MIN_FRAMES  # minimum frames of a run, without the warm-up
    seconds: float = MIN_SECONDS  # minimum duration of a run, without the warm-up
    warmup: int = 30  # first frames of each run, which are not counted
    rounds: int = 5  # alternations between the engine alone and the whole pipeline
    fps: float | None = None  # frame rate of the paced run; None: the source's own
    minutes: float = 0.0  # duration of the sustained run; 0: none
    cold: bool = True  # also time a cold start in a fresh process

    @property
    def quick(self) -> bool:
        """Return True if the plan measures less than a citable report requires."""
        return self.frames < MIN_FRAMES or self.seconds < MIN_SECONDS
