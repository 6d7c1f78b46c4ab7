"""Stabilizes a network's logits over time: smoothed probabilities, and hysteresis for each node's previous class.

The weights change with each frame, so that they are an array on the device of the logits: a captured CUDA graph reads them
again at each replay.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.errors import ImageError
from rtseg.kernels.network.confidence import probability
from rtseg.kernels.network.logits import Floats, clean, cleaned
from rtseg.kernels.runtime import cases
from rtseg.kernels.runtime.arrays import check_logits, check_out, placed, readable, room
from rtseg.kernels.runtime.cpu import compiled
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import room_on_device
from rtseg.kernels.runtime.registry import Case, kernel
from rtseg.kernels.temporal.smooth import smooth

SURE = np.float32(1e-6)  # probabilities are clipped this far from 0 and 1, so that their logits are finite
ONE = np.float32(1)

_WEIGHTS = [(0.2, 1.0), (1.0, 0.0), (0.0, 0.5), (0.7, 0.0)]


def _answers() -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """Yield a name, logits, previous logits and weights."""
    for classes in (1, 2, 4):
        for shape in [(1, 1), (1, 7), (12, 9)]:
            answers = [*cases.logits(classes, shape)]
            for number, ((name, now), (before, past)) in enumerate(zip(answers, answers[::-1], strict=True)):
                weights = np.array(_WEIGHTS[number % len(_WEIGHTS)], np.float32)
                yield f"{name} after {before}, {classes} of {shape}, {weights}", now, past, weights


def _smoothed_cases() -> Iterator[Case]:
    for name, now, past, weights in _answers():
        yield Case(name, (now, probability.truth(past), weights))
        yield Case(f"{name}, no past", (now, np.full_like(past, np.nan), weights))


def _check_smoothed(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> None:
    check_logits(logits)
    _check_beside("the past", past, tuple(logits.shape))
    _check_beside("the weights", weights, (2,))
    check_out(out, tuple(logits.shape), np.float32)


def _check_beside(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    if getattr(array, "dtype", None) != np.float32 or tuple(array.shape) != shape:
        found = f"{getattr(array, 'dtype', type(array).__name__)} {tuple(getattr(array, 'shape', ()))}"
        raise ImageError(f"{name} of these logits are float32 {shape}, not {found}: start again from the new frame")


@kernel(name="smoothed", cases=_smoothed_cases, atol=1e-5, check=_check_smoothed)
def smoothed(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Floats:
    """Return the probability of each class (1, K, h, w) float32, smoothed: share * current + (1 - share) * past.

    logits: (1, K, h, w) float32. past: the previous frame's result; where it is NaN or infinite, the current value is taken.
    weights: (2,) float32, of which the first is the current frame's share in [0, 1]. `out` may be either input.
    Raises ImageError.
    """
    return smooth.truth(probability.truth(logits), past, float(weights[0]), out=out)


@smoothed.backend("numba")
def _smoothed_numba(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Floats:
    return smooth(probability(logits), past, float(weights[0]), out=out)


def _steadied_cases() -> Iterator[Case]:
    for name, now, past, weights in _answers():
        yield Case(name, (now, probability.truth(now), past, weights))


def _check_steadied(logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> None:
    _check_smoothed(logits, past, weights, out=out)
    _check_beside("the probabilities", probabilities, tuple(logits.shape))


@kernel(name="steadied", cases=_steadied_cases, atol=1e-4, check=_check_steadied)
def steadied(logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Floats:
    """Return the logits (1, K, h, w) float32 of smoothed probabilities, plus a bonus for each node's previous class.

    logits: the network's output, used instead where the current frame's share is 1. probabilities: by `smooth_probabilities`.
    past: the previous frame's result; a node with NaN there gets no bonus. For K = 1 the bonus has the past logit's sign.
    weights: (2,) float32, the current frame's share and the bonus. `out` may be any of the three. Raises ImageError.
    """
    share, bonus = weights
    with np.errstate(invalid="ignore", over="ignore"):
        base = logits if share >= 1 else _log_odds(probabilities)
        result = (base + bonus * _had(past)).astype(np.float32)
    return placed(result, out)


def _log_odds(probabilities: Floats) -> Floats:
    """Return logits that give these probabilities: log odds for one class, else logarithms."""
    sure = probabilities.clip(SURE, ONE - SURE)
    of: Floats = np.log(sure / (ONE - sure)) if probabilities.shape[1] == 1 else np.log(sure)
    return of


def _had(past: Floats) -> Floats:
    """Return 1 for each node's previous class, else 0; for K = 1 the sign of the past logit; 0 for NaN."""
    if past.shape[1] == 1:
        return np.sign(cleaned(past)) * ~np.isnan(past)
    classes = np.arange(past.shape[1])[None, :, None, None]
    won = cleaned(past).argmax(1, keepdims=True) == classes
    return np.asarray(won & ~np.isnan(past).any(1, keepdims=True), np.float32)


@steadied.backend("numba")
def _steadied_numba(
    logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None
) -> Floats:
    base = logits if weights[0] >= 1 else _log_odds(probabilities)  # NumPy's logarithm is vectorized
    result = room(out, logits.shape, np.float32)
    nodes = [array.reshape(logits.shape[1], -1) for array in (readable(base), readable(past), result)]
    _reward(nodes[0], nodes[1], np.float32(weights[1]), nodes[2])
    return result


@compiled
def _reward(base: Floats, past: Floats, bonus: np.float32, result: Floats) -> None:
    """Add the bonus node by node: arrays (K, h * w); `past` is read before `result` is written, and may share its memory."""
    classes = base.shape[0]
    for node in range(base.shape[1]):
        had = _winner(past, node)
        for k in range(classes):
            result[k, node] = base[k, node] + bonus * (_side(past[0, node]) if classes == 1 else np.float32(k == had))


@compiled
def _winner(past: Floats, node: int) -> int:
    """Return the class of a node's largest past logit, the first of equal ones, or -1 for NaN."""
    best = 0
    for k in range(past.shape[0]):
        if np.isnan(past[k, node]):
            return -1
        best = k if clean(past[k, node]) > clean(past[best, node]) else best
    return best


@compiled
def _side(logit: np.float32) -> np.float32:
    return np.float32(logit > 0) - np.float32(logit < 0)


@smoothed.backend("cuda")
def _smoothed_cuda(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, logits.shape, np.float32, logits)
    launch("smoothed", logits, past, weights, *_classes_and_nodes(logits), result)
    return result


@steadied.backend("cuda")
def _steadied_cuda(logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, logits.shape, np.float32, logits)
    launch("steadied", logits, probabilities, past, weights, *_classes_and_nodes(logits), result)
    return result


def _classes_and_nodes(logits: Floats) -> tuple[int, int]:
    return logits.shape[1], logits.shape[2] * logits.shape[3]
