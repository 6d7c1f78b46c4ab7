"""Chooses among plans of one model by what their frames take on this GPU: which precision is fastest is not known before."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rtseg.engines.input_planes import fill_input
from rtseg.engines.tensorrt.engine import TensorRtEngine
from rtseg.engines.tensorrt.plan_cache import PlanFile
from rtseg.kernels.network.fit import letterbox

_WARM_UP, _TIMED = 20, 200  # frames


@dataclass(frozen=True, slots=True)
class TriedPlan:
    """Holds a plan that was built and compared with the CPU."""

    file: PlanFile
    """The plan."""
    step_ms: float | None
    """Median time of a frame on the GPU; None where its masks do not agree."""
    verdict: str
    """How its masks agree, or why it is refused."""


def fastest(tried: Sequence[TriedPlan]) -> TriedPlan | None:
    """Return the fastest of the plans whose masks agree, the first of equal ones; None where none does."""
    sound = [one for one in tried if one.step_ms is not None]
    return min(sound, key=lambda one: one.step_ms or 0.0) if sound else None


def time_plan(engine: TensorRtEngine) -> float:
    """Return the median time of a frame in ms, by the GPU's clock. Raises EngineError."""
    height, width = engine.spec.size
    image = np.random.default_rng(0).integers(0, 200, (height, width), np.uint8)
    x = fill_input(engine.spec, image, letterbox((0, 0, height, width), engine.spec.size))
    state, took = engine.initial_state(), list[float]()
    for number in range(_WARM_UP + _TIMED):
        logits, state = engine.infer(x, state)
        np.asarray(logits)
        if number >= _WARM_UP:
            took.append(engine.device_ns()["step"] / 1e6)
    return median(took)
