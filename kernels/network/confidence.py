"""Computes a network's confidence: probabilities, the mean confidence of each class, and a check for NaN and infinity."""

from collections.abc import Iterator
from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ImageError
from rtseg.kernels.network.fit import Fit, letterbox
from rtseg.kernels.network.logits import Floats, Nodes, finite_logit, finite_logits, nodes_in_fit, threshold_logit
from rtseg.kernels.runtime import cases
from rtseg.kernels.runtime.arrays import as_read_only, check_logits, check_out, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cpu import compiled
from rtseg.kernels.runtime.cuda import c_ints, launch, library, stream_of
from rtseg.kernels.runtime.device_array import DeviceArray, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

_MAX_EXPONENT = np.float32(80)  # beyond 88 exp overflows in float32


def _probability_cases() -> Iterator[KernelCase]:
    for classes in (1, 2, 4):
        for shape in [(1, 1), (1, 7), (12, 9)]:
            for name, logits in cases.logits(classes, shape):
                yield KernelCase(f"{name} {classes} of {shape}", (logits,))


def _check_probability(logits: Floats, *, out: Floats | None = None) -> None:
    check_logits(logits)
    check_out(out, tuple(logits.shape), np.float32)


@kernel(cases=_probability_cases, atol=1e-6, check=_check_probability)
def probability(logits: Floats, *, out: Floats | None = None) -> Floats:
    """Return the probability of each class (1, K, h, w) float32: softmax over K, or the sigmoid for K = 1.

    logits: (1, K, h, w) float32; NaN counts as -1e30. Raises ImageError.
    """
    clean = finite_logits(logits)
    if logits.shape[1] == 1:
        return copy_to_out(np.float32(1) / (np.float32(1) + np.exp(np.minimum(-clean, _MAX_EXPONENT))), out)
    powers = np.exp(clean - clean.max(1, keepdims=True))
    return copy_to_out(powers / powers.sum(1, keepdims=True), out)


@probability.backend("numba")
def _probability_numba(logits: Floats, *, out: Floats | None = None) -> Floats:
    if logits.shape[1] > 1:
        return probability.reference(logits, out=out)
    result = out_or_empty(out, logits.shape, np.float32)
    flat = result.reshape(-1)
    _negate(as_read_only(logits).reshape(-1), flat)
    np.exp(flat, out=flat)  # NumPy's exp is vectorized
    _invert(flat)
    return result


@compiled
def _negate(logits: Floats, result: Floats) -> None:
    for i in range(np.uint64(result.size)):
        result[i] = min(-finite_logit(logits[i]), _MAX_EXPONENT)


@compiled
def _invert(powers: Floats) -> None:
    one = np.float32(1)
    for i in range(np.uint64(powers.size)):
        powers[i] = one / (one + powers[i])


def _confidence_cases() -> Iterator[KernelCase]:
    for classes in (1, 2, 4):
        for name, logits in cases.logits(classes, (12, 16)):
            yield KernelCase(f"{name} {classes}", (logits, letterbox((2, 3, 30, 70), (24, 32))))
            yield KernelCase(
                f"{name} {classes}, 1x1", (logits[..., :1, :1], letterbox((0, 0, 1, 1), (24, 32))), {"threshold": 0.3}
            )


def _check_confidence(logits: Floats, fit: Fit, *, threshold: float = 0.5) -> None:  # noqa: ARG001 - a Fit checks itself
    check_logits(logits)
    threshold_logit(threshold)


@kernel(cases=_confidence_cases, atol=1e-5, check=_check_confidence)
def class_confidence(logits: Floats, fit: Fit, *, threshold: float = 0.5) -> Floats:
    """Return each foreground class's mean probability over the nodes that it wins: (n_classes,) float32, 0 if absent.

    logits: (1, K, h, w) float32 at any stride, of which the nodes inside fit.inner count. For K = 1 the class wins where its
    probability is above `threshold`.
    Raises ImageError, ConfigError.
    """
    top, bottom, left, right = nodes_in_fit(fit, logits.shape)
    nodes = logits[:, :, top : bottom + 1, left : right + 1]
    shares = probability.reference(nodes)[0]
    if len(shares) == 1:
        return np.array([_mean_where(shares[0], finite_logits(nodes)[0, 0] > threshold_logit(threshold))], np.float32)
    winners = finite_logits(nodes)[0].argmax(0)
    return np.array([_mean_where(shares[k], winners == k) for k in range(1, len(shares))], np.float32)


def _mean_where(values: Floats, where: npt.NDArray[np.bool_]) -> float:
    return float(values[where].mean(dtype=np.float64)) if where.any() else 0.0


@class_confidence.backend("numba")
def _class_confidence_numba(logits: Floats, fit: Fit, *, threshold: float = 0.5) -> Floats:
    source = as_read_only(logits)[0]
    sums = np.zeros((max(1, source.shape[0] - 1), 2))
    if source.shape[0] == 1:
        _add_sigmoids(source, nodes_in_fit(fit, logits.shape), threshold_logit(threshold), sums)
    else:
        _add_softmax(source, nodes_in_fit(fit, logits.shape), sums)
    return (sums[:, 0] / np.maximum(sums[:, 1], 1)).astype(np.float32)


@compiled
def _add_softmax(logits: Floats, nodes: Nodes, sums: npt.NDArray[np.float64]) -> None:
    """Add to sums (K - 1, 2) each class's probability at the nodes that it wins, and the number of those nodes."""
    for y in range(nodes[0], nodes[1] + 1):
        for x in range(nodes[2], nodes[3] + 1):
            best, winner = finite_logit(logits[0, y, x]), 0
            for k in range(1, logits.shape[0]):
                value = finite_logit(logits[k, y, x])
                if value > best:
                    best, winner = value, k
            if winner:
                total = 0.0
                for k in range(logits.shape[0]):
                    total += exp(np.float64(finite_logit(logits[k, y, x]) - best))
                sums[winner - 1, 0] += 1 / total
                sums[winner - 1, 1] += 1


@compiled
def _add_sigmoids(logits: Floats, nodes: Nodes, level: np.float32, sums: npt.NDArray[np.float64]) -> None:
    """Add as `_add_softmax` does, for the single class of K = 1: sums (1, 2)."""
    for y in range(nodes[0], nodes[1] + 1):
        for x in range(nodes[2], nodes[3] + 1):
            value = finite_logit(logits[0, y, x])
            if value > level:
                sums[0, 0] += 1 / (1 + exp(np.float64(-value)))
                sums[0, 1] += 1


def _finite_cases() -> Iterator[KernelCase]:
    for name, logits in cases.logits(2, (7, 9)):
        yield KernelCase(name, (logits,))
        yield KernelCase(f"{name}, half", (logits.clip(-6e4, 6e4).astype(np.float16)[0, 0],))


def _check_floats(array: npt.NDArray[np.floating]) -> None:
    if getattr(getattr(array, "dtype", None), "kind", "") != "f":
        raise ImageError(f"only floats can be NaN, not {getattr(array, 'dtype', type(array).__name__)}: give logits or a state")


@kernel(cases=_finite_cases, atol=0, check=_check_floats)
def has_nonfinite(array: npt.NDArray[np.floating]) -> bool:
    """Return True if an array of floats, of any shape, holds a NaN or an infinity. Raises ImageError."""
    return not bool(np.isfinite(array).all())


@probability.backend("cuda")
def _probability_cuda(logits: Floats, *, out: Floats | None = None) -> Any:
    result = out_or_device_array(out, logits.shape, np.float32, logits)
    launch("probability", logits, logits.shape[1], logits.shape[2] * logits.shape[3], result)
    return result


@class_confidence.backend("cuda")
def _class_confidence_cuda(logits: Floats, fit: Fit, *, threshold: float = 0.5) -> Any:
    result = DeviceArray((max(1, logits.shape[1] - 1),), np.float32, stream_of(logits))
    sums = DeviceArray((library().size("class_confidence_scratch"),), np.uint8, result.stream)
    launch(
        "class_confidence",
        logits,
        *logits.shape[1:],
        c_ints(nodes_in_fit(fit, logits.shape)),
        float(threshold_logit(threshold)),
        sums,
        result,
    )
    return result


@has_nonfinite.backend("cuda")
def _has_nonfinite_cuda(array: npt.NDArray[np.floating]) -> bool:
    flag = DeviceArray((1,), np.int32, stream_of(array))
    launch("has_nonfinite", array, int(np.prod(array.shape)), array.dtype.itemsize, flag)
    return bool(flag.numpy()[0])
