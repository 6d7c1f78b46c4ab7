"""Runs a new engine beside the current one on the same frames; it takes over only if both segmentations agree."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, Engine, Floats

FRAMES = 16  # compared masks; empty ones prove nothing and are not counted
SETTLING_FRAMES = 16  # frames that are not compared at first: the other engine's state covers a longer past
MIN_DICE = 0.995  # mean over the compared masks, as strict as the gate's 0.005


class ShadowRun:
    """Compares the masks of a new engine with those of the current one.

    engine: the new engine; it is not closed here. frames: the number of masks to compare. settling: the number of frames to
    skip before. verdict: None until it is decided; reason: the reason in words.
    """

    def __init__(self, engine: Engine, frames: int = FRAMES, settling: int = SETTLING_FRAMES) -> None:
        self.engine, self._frames, self._settling = engine, frames, settling
        self._dice_scores: list[float] = []
        self.verdict: bool | None = None
        self.reason = ""
        self._state, self._seen = engine.initial_state(), 0

    def observe(self, x: Array, logits: Array) -> None:
        """Run the new engine on x, the input on the host, and compare with the current engine's logits. Raises EngineError."""
        found, self._state = self.engine.infer(x, self._state)
        own, others = np.asarray(found), np.asarray(logits)
        if not np.isfinite(own).all():
            self.verdict, self.reason = False, "it gives NaN or infinity"
            return
        self._seen += 1
        if self._seen > self._settling:
            self._dice_scores += _dice_scores(_classes(own), _classes(others))
        if len(self._dice_scores) >= self._frames:
            mean = float(np.mean(self._dice_scores))
            self.verdict = mean >= MIN_DICE
            self.reason = f"its Dice against the other is {mean:.4f} on {len(self._dice_scores)} masks, and {MIN_DICE} is asked"

    def write(self, name: str, values: Floats) -> None:
        """Write values into a state of the new engine too, see `Engine.write`. Raises ConfigError."""
        self._state = self.engine.write(self._state, name, values)

    def restart(self) -> None:
        """Restart from a state of zeros together with the other engine; from now on every frame is compared."""
        self._state, self._settling = self.engine.initial_state(), 0


def _classes(logits: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the class of each pixel (h, w), 0 for the background."""
    return np.asarray(logits[0].argmax(0) if logits.shape[1] > 1 else logits[0, 0] > 0, np.int64)


def _dice_scores(own: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> list[float]:
    """Return the Dice of each foreground class that is present in either mask."""
    present = sorted({*np.unique(own), *np.unique(others)} - {0})
    return [float(2 * ((own == c) & (others == c)).sum() / ((own == c).sum() + (others == c).sum())) for c in present]
