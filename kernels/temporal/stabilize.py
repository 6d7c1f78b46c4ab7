"""Stabilizes a network's logits over time: smoothed probabilities, and hysteresis for each node's previous class.

The weights change with each frame, so that they are an array on the device of the logits: a captured CUDA graph reads them
again at each replay.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.errors import ImageError
from rtseg.kernels.network.confidence import probability
from rtseg.kernels.network.logits import Floats, finite_logit, finite_logits
from rtseg.kernels.runtime import cases
from rtseg.kernels.runtime.arrays import as_read_only, check_logits, check_out, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cpu import compiled
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel
from rtseg.kernels.temporal.smooth import smooth

MIN_PROBABILITY = np.float32(1e-6)  # probabilities are clipped this far from 0 and 1, so that their logits are finite
ONE = np.float32(1)

_WEIGHTS = [(0.2, 1.0), (1.0, 0.0), (0.0, 0.5), (0.7, 0.0)]


def _logit_pairs() -> Iterator[tuple[str, Floats, Floats, Floats]]:
    """Yield a name, logits, previous logits and weights."""
    for classes in (1, 2, 4):
        for shape in [(1, 1), (1, 7), (12, 9)]:
            answers = [*cases.logits(classes, shape)]
            for number, ((name, now), (before, past)) in enumerate(zip(answers, answers[::-1], strict=True)):
                weights = np.array(_WEIGHTS[number % len(_WEIGHTS)], np.float32)
                yield f"{name} after {before}, {classes} of {shape}, {weights}", now, past, weights


def _smooth_cases() -> Iterator[KernelCase]:
    for name, now, past, weights in _logit_pairs():
        yield KernelCase(name, (now, probability.reference(past), weights))
        yield KernelCase(f"{name}, no past", (now, np.full_like(past, np.nan), weights))


def _check_smooth(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> None:
    check_logits(logits)
    _check_companion("the past", past, tuple(logits.shape))
    _check_companion("the weights", weights, (2,))
    check_out(out, tuple(logits.shape), np.float32)


def _check_companion(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    if getattr(array, "dtype", None) != np.float32 or tuple(array.shape) != shape:
        found = f"{getattr(array, 'dtype', type(array).__name__)} {tuple(getattr(array, 'shape', ()))}"
        raise ImageError(f"{name} of these logits are float32 {shape}, not {found}: start again from the new frame")


@kernel(name="smoothed", cases=_smooth_cases, atol=1e-5, check=_check_smooth)
def smooth_probabilities(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Floats:
    """Return the probability of each class (1, K, h, w) float32, smoothed: share * current + (1 - share) * past.

    logits: (1, K, h, w) float32. past: the previous frame's result; where it is NaN or infinite, the current value is taken.
    weights: (2,) float32, of which the first is the current frame's share in [0, 1]. `out` may be either input.
    Raises ImageError.
    """
    return smooth.reference(probability.reference(logits), past, float(weights[0]), out=out)


@smooth_probabilities.backend("numba")
def _smooth_probabilities_numba(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Floats:
    return smooth(probability(logits), past, float(weights[0]), out=out)


def _stabilize_cases() -> Iterator[KernelCase]:
    for name, now, past, weights in _logit_pairs():
        yield KernelCase(name, (now, probability.reference(now), past, weights))


def _check_stabilize(
    logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None
) -> None:
    _check_smooth(logits, past, weights, out=out)
    _check_companion("the probabilities", probabilities, tuple(logits.shape))


@kernel(name="steadied", cases=_stabilize_cases, atol=1e-4, check=_check_stabilize)
def stabilize(logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Floats:
    """Return the logits (1, K, h, w) float32 of smoothed probabilities, plus a bonus for each node's previous class.

    logits: the network's output, used instead where the current frame's share is 1. probabilities: by `smooth_probabilities`.
    past: the previous frame's result; a node with NaN there gets no bonus. For K = 1 the bonus has the past logit's sign.
    weights: (2,) float32, the current frame's share and the bonus. `out` may be any of the three. Raises ImageError.
    """
    share, bonus = weights
    with np.errstate(invalid="ignore", over="ignore"):
        base = logits if share >= 1 else _log_odds(probabilities)
        result = (base + bonus * _previous_class(past)).astype(np.float32)
    return copy_to_out(result, out)


def _log_odds(probabilities: Floats) -> Floats:
    """Return logits that give these probabilities: log odds for one class, else logarithms."""
    sure = probabilities.clip(MIN_PROBABILITY, ONE - MIN_PROBABILITY)
    of: Floats = np.log(sure / (ONE - sure)) if probabilities.shape[1] == 1 else np.log(sure)
    return of


def _previous_class(past: Floats) -> Floats:
    """Return 1 for each node's previous class, else 0; for K = 1 the sign of the past logit; 0 for NaN."""
    if past.shape[1] == 1:
        return np.sign(finite_logits(past)) * ~np.isnan(past)
    classes = np.arange(past.shape[1])[None, :, None, None]
    won = finite_logits(past).argmax(1, keepdims=True) == classes
    return np.asarray(won & ~np.isnan(past).any(1, keepdims=True), np.float32)


@stabilize.backend("numba")
def _stabilize_numba(
    logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None
) -> Floats:
    base = logits if weights[0] >= 1 else _log_odds(probabilities)  # NumPy's logarithm is vectorized
    result = out_or_empty(out, logits.shape, np.float32)
    nodes = [array.reshape(logits.shape[1], -1) for array in (as_read_only(base), as_read_only(past), result)]
    _add_bonus(nodes[0], nodes[1], np.float32(weights[1]), nodes[2])
    return result


@compiled
def _add_bonus(base: Floats, past: Floats, bonus: np.float32, result: Floats) -> None:
    """Add the bonus node by node: arrays (K, h * w); `past` is read before `result` is written, and may share its memory."""
    classes = base.shape[0]
    for node in range(base.shape[1]):
        had = _previous_winner(past, node)
        for k in range(classes):
            result[k, node] = base[k, node] + bonus * (_sign(past[0, node]) if classes == 1 else np.float32(k == had))


@compiled
def _previous_winner(past: Floats, node: int) -> int:
    """Return the class of a node's largest past logit, the first of equal ones, or -1 for NaN."""
    best = 0
    for k in range(past.shape[0]):
        if np.isnan(past[k, node]):
            return -1
        best = k if finite_logit(past[k, node]) > finite_logit(past[best, node]) else best
    return best


@compiled
def _sign(logit: np.float32) -> np.float32:
    return np.float32(logit > 0) - np.float32(logit < 0)


@smooth_probabilities.backend("cuda")
def _smooth_probabilities_cuda(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Any:
    result = out_or_device_array(out, logits.shape, np.float32, logits)
    launch("smoothed", logits, past, weights, *_classes_and_nodes(logits), result)
    return result


@stabilize.backend("cuda")
def _stabilize_cuda(logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Any:
    result = out_or_device_array(out, logits.shape, np.float32, logits)
    launch("steadied", logits, probabilities, past, weights, *_classes_and_nodes(logits), result)
    return result


def _classes_and_nodes(logits: Floats) -> tuple[int, int]:
    return logits.shape[1], logits.shape[2] * logits.shape[3]
