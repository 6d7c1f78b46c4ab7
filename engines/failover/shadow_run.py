"""A new engine beside the one at work, on the same real frames: it takes over only if both segment alike."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import Array, Engine

FRAMES = 16  # with something in the mask; the others prove nothing
SETTLING = 16  # frames that do not count at first: the other engine's memory is older
LEAST_DICE = 0.995  # mean of both answers: the gate's 0.005


class Trial:
    """Counts how alike two engines are, over so many masks, after so many frames that do not count.

    engine: the new one, which is not closed here. verdict: None while it is not known; reason: why, in words.
    """

    def __init__(self, engine: Engine, frames: int = FRAMES, settling: int = SETTLING) -> None:
        self.engine, self._frames, self._settling = engine, frames, settling
        self._dices: list[float] = []
        self.verdict: bool | None = None
        self.reason = ""
        self._state, self._seen = engine.initial_state(), 0

    def observe(self, x: Array, logits: Array) -> None:
        """Let the new engine answer too. x: the input on the host; logits: what the other made of it. Raises EngineError."""
        found, self._state = self.engine.infer(x, self._state)
        own, others = np.asarray(found), np.asarray(logits)
        if not np.isfinite(own).all():
            self.verdict, self.reason = False, "it gives NaN or infinity"
            return
        self._seen += 1
        if self._seen > self._settling:
            self._dices += _dices(_classes(own), _classes(others))
        if len(self._dices) >= self._frames:
            mean = float(np.mean(self._dices))
            self.verdict = mean >= LEAST_DICE
            self.reason = f"its Dice against the other is {mean:.4f} on {len(self._dices)} masks, and {LEAST_DICE} is asked"

    def restart(self) -> None:
        """Forget the frames so far, as the other engine does: from now on both remember the same."""
        self._state, self._settling = self.engine.initial_state(), 0


def _classes(logits: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The class of each node, 0 the background."""
    return np.asarray(logits[0].argmax(0) if logits.shape[1] > 1 else logits[0, 0] > 0, np.int64)


def _dices(own: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> list[float]:
    """Of each class that either has."""
    present = sorted({*np.unique(own), *np.unique(others)} - {0})
    return [float(2 * ((own == c) & (others == c)).sum() / ((own == c).sum() + (others == c).sum())) for c in present]
