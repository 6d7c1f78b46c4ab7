"""Provide frames for a session, and an instrumented engine."""

import numpy as np

from rtseg.engines.base import Array, State
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame


def frame_of(index: int = 0, value: int = 200, shape: tuple[int, ...] = (64, 96)) -> Frame:
    """Return a frame with a bright left half, and a dim line on the right as anatomy, which makes contact."""
    image = np.zeros(shape, np.uint8)
    image[:, : shape[1] // 2] = value
    image[shape[0] // 3 :, shape[1] * 3 // 4 :][:, : shape[1] // 24] = 60
    return Frame(image, index, 0)


def air(index: int, shape: tuple[int, int] = (64, 96)) -> Frame:
    image = np.zeros(shape, np.uint8)
    image[: shape[0] // 5] = 200
    return Frame(image, index, 0)


class InstrumentedEngine:
    """Counts the runs of an engine, and makes its output NaN or doubtful when set."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self._engine, self.spec = engine, engine.spec
        self.initial_state, self.upload, self.download = engine.initial_state, engine.upload, engine.download
        self.runs, self.poisoned, self.doubtful = 0, False, False

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        self.runs += 1
        logits, after = self._engine.infer(x, state)
        if self.poisoned and np.any(state.now[0].data):
            logits = np.full_like(logits, np.nan)
        return logits * (0.1 if self.doubtful else 1), after

    def close(self) -> None:
        self._engine.close()
