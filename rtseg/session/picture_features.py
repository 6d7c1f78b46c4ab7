"""Computes the features of a picture, by which it is compared with those that a network was made from.

They are statistics of arrays that exist anyway: the new recurrent state, the logits and the network's input.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SCALES = 5  # halvings of the input, at each of which its texture is measured
BINS = 12  # of the histogram of the input, in standard deviations of the model's normalization
DENSE = 1024  # places of a state above which every second one is looked at, down and along
STRIDE = 4  # of the nodes of the logits that are looked at
_HISTOGRAM_RANGE = (-2.0, 6.0)
_LARGE = 16_384  # pixels
_FLAT = 0.02  # relative texture below which a picture counts as flat


def picture_features(x: Floats, logits: Floats, states: Sequence[Floats]) -> Floats:
    """Return the features (D,) of a frame.

    x: the input (1, C, H, W), of which the first channel is looked at. logits: (1, K, h, w). states: each (views, C, h, w), as
    the network wrote them for this frame.
    """
    parts = [*(_state_features(state) for state in states), _answer_features(logits[0]), _input_features(x[0, 0])]
    return np.concatenate(parts).astype(np.float32, copy=False)


def _state_features(state: Floats) -> Floats:
    """Return mean and standard deviation of each channel of each view."""
    stride = 2 if state.shape[-2] * state.shape[-1] > DENSE else 1
    sparse = state[..., ::stride, ::stride]
    flat = sparse.reshape(-1, sparse.shape[-2] * sparse.shape[-1])
    mean = flat.mean(1)
    square = np.einsum("ij,ij->i", flat, flat) / flat.shape[1]
    return np.concatenate([mean, np.sqrt(np.maximum(square - mean * mean, 0))])


def _answer_features(logits: Floats) -> Floats:
    """Return the moments and extremes of each channel, the mean entropy, and the area of each class."""
    nodes = logits[:, ::STRIDE, ::STRIDE].reshape(len(logits), -1)
    nodes = nodes if len(nodes) > 1 else np.concatenate([np.zeros_like(nodes), nodes])
    likely = np.exp(nodes - nodes.max(0))
    likely /= likely.sum(0)
    entropy = -np.sum(likely * np.log(likely + 1e-6), 0)
    tops = [nodes.mean(1), nodes.std(1), nodes.max(1), nodes.min(1), np.sqrt(likely.mean(1)), likely.max(1)]
    return np.concatenate([*tops, [entropy.mean(), np.sqrt(entropy.mean())]])


def _input_features(plane: Floats) -> Floats:
    """Return the histogram of gray levels, and the strength of the texture down and along at each scale."""
    sparse = np.ascontiguousarray(plane[::STRIDE, ::STRIDE])
    counts = cv2.calcHist([sparse], [0], None, [BINS], _HISTOGRAM_RANGE)
    parts = [np.sqrt(counts.ravel() / sparse.size)]
    view, spread = plane, float(sparse.std()) + _FLAT
    for _ in range(SCALES):
        step = 4 if view.size > _LARGE else 1  # rows of a large view are looked at in pairs
        down = cv2.norm(view[1::step], view[: len(view) - 1 : step], cv2.NORM_L1) * step
        along = cv2.norm(view[::step, 1:], view[::step, :-1], cv2.NORM_L1) * step
        parts.append(np.log(np.array([down, along]) / view.size / spread + _FLAT))
        size = max(1, view.shape[1] // 2), max(1, view.shape[0] // 2)
        view = cv2.resize(view, size, interpolation=cv2.INTER_AREA)
    return np.concatenate(parts)
