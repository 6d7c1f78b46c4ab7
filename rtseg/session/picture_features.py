"""Computes the features of a picture, by which it is compared with those that a network was made from.

They are statistics of arrays that exist anyway: the new recurrent state, the logits and the network's input. The loops are
compiled, since a dozen calls of NumPy on small arrays take longer than the work itself while the network fills the caches.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.cpu import allocating, compiled

Floats = npt.NDArray[np.float32]

SCALES = 5  # the input and its halvings, at each of which the texture is measured
BINS = 12  # of the histogram of the input, in standard deviations of the model's normalization
LOWEST, HIGHEST = -2.0, 6.0  # of the histogram
STRIDE = 4  # of the nodes of the logits and of the pixels of the input that are looked at
DENSE = 1024  # places of a state above which every second one is looked at, down and along
LARGE = 16_384  # pixels of a view above which one row in four is looked at
_FLAT = 0.02  # relative texture below which a picture counts as flat
_TINY = 1e-6


def picture_features(x: Floats, logits: Floats, states: Sequence[Floats]) -> Floats:
    """Return the features (D,) of a frame.

    x: the input (1, C, H, W), of which the first channel is looked at. logits: (1, K, h, w). states: each (views, C, h, w), as
    the network wrote them for this frame.
    """
    counts = [2 * state.shape[0] * state.shape[1] for state in states]
    start, classes = sum(counts), max(2, logits.shape[1])
    features = np.zeros(start + 6 * classes + 2 + BINS + 2 * SCALES, np.float32)
    place = 0
    for state, count in zip(states, counts, strict=True):
        _add_state(state, features[place : place + count])
        place += count
    _add_answer(logits, features[start : start + 6 * classes + 2])
    _add_input(x, features[start + 6 * classes + 2 :])
    return features


@compiled
def _add_state(state: Floats, out: Floats) -> None:
    """Write the mean of each channel of each view, and then the standard deviations."""
    views, channels, height, width = state.shape
    stride = 2 if height * width > DENSE else 1
    for view in range(views):
        for channel in range(channels):
            total = square = np.float32(0)
            count = 0
            for row in range(0, height, stride):
                for column in range(0, width, stride):
                    value = state[view, channel, row, column]
                    total += value
                    square += value * value
                    count += 1
            mean = total / count
            out[view * channels + channel] = mean
            out[(views + view) * channels + channel] = math.sqrt(max(float(square / count - mean * mean), 0.0))


@allocating
def _add_answer(logits: Floats, out: Floats) -> None:
    """Write the mean, deviation, extremes, area and highest probability of each channel, and the mean entropy and its root.

    A single channel has a background of zeros before it.
    """
    known, height, width = logits.shape[1], logits.shape[2], logits.shape[3]
    count = max(2, known)
    missing = count - known
    sums = np.zeros((6, count))  # sums, sums of squares, highest and lowest logits, sums of and highest probabilities
    sums[2], sums[3] = -np.inf, np.inf
    likely, entropy, nodes = np.zeros(count), 0.0, 0
    for row in range(0, height, STRIDE):
        for column in range(0, width, STRIDE):
            top = 0.0 if missing else -np.inf
            for k in range(known):
                top = max(top, logits[0, k, row, column])
            total = 0.0
            for k in range(count):
                value = 0.0 if k < missing else logits[0, k - missing, row, column]
                sums[0, k] += value
                sums[1, k] += value * value
                sums[2, k] = max(sums[2, k], value)
                sums[3, k] = min(sums[3, k], value)
                likely[k] = math.exp(value - top)
                total += likely[k]
            for k in range(count):
                share = likely[k] / total
                sums[4, k] += share
                sums[5, k] = max(sums[5, k], share)
                entropy -= share * math.log(share + _TINY)
            nodes += 1
    for k in range(count):
        mean = sums[0, k] / nodes
        out[k] = mean
        out[count + k] = math.sqrt(max(sums[1, k] / nodes - mean * mean, 0.0))
        out[2 * count + k], out[3 * count + k] = sums[2, k], sums[3, k]
        out[4 * count + k], out[5 * count + k] = math.sqrt(sums[4, k] / nodes), sums[5, k]
    mean = max(entropy / nodes, 0.0)
    out[6 * count], out[6 * count + 1] = mean, math.sqrt(mean)


@allocating
def _add_input(x: Floats, out: Floats) -> None:
    """Write the roots of the histogram of gray levels, and the texture down and along at each scale."""
    plane = x[0, 0]
    total = square = 0.0
    count = 0
    for row in range(0, plane.shape[0], STRIDE):
        for column in range(0, plane.shape[1], STRIDE):
            value = plane[row, column]
            total += value
            square += value * value
            count += 1
            place = math.floor((value - LOWEST) * BINS / (HIGHEST - LOWEST))
            if 0 <= place < BINS:
                out[place] += 1
    for place in range(BINS):
        out[place] = math.sqrt(out[place] / count)
    mean = total / count
    spread = math.sqrt(max(square / count - mean * mean, 0.0)) + _FLAT
    view = plane
    for scale in range(SCALES):
        down, along = _texture(view)
        size = view.shape[0] * view.shape[1] * spread
        out[BINS + 2 * scale], out[BINS + 2 * scale + 1] = math.log(down / size + _FLAT), math.log(along / size + _FLAT)
        if scale + 1 < SCALES:
            view = _halved(view)


@compiled
def _texture(view: Floats) -> tuple[float, float]:
    """Return the sums of the absolute differences between neighbors, down and along."""
    height, width = view.shape
    step = 4 if height * width > LARGE else 1
    down = along = np.float32(0)
    for row in range(0, height, step):
        first = second = third = fourth = np.float32(0)  # of independent sums, which a processor adds side by side
        upper, lower = view[row], view[min(row + 1, height - 1)]
        for column in range(0, width - 1, 2):
            next_one, last = column + 1, min(column + 2, width - 1)
            first += abs(lower[column] - upper[column])
            second += abs(lower[next_one] - upper[next_one])
            third += abs(upper[next_one] - upper[column])
            fourth += abs(upper[last] - upper[next_one])
        if width % 2:
            first += abs(lower[width - 1] - upper[width - 1])
        down += first + second
        along += third + fourth
    return float(down * step), float(along * step)


@allocating
def _halved(view: Floats) -> Floats:
    """Return the means of blocks of 2 x 2; an odd last row or column is left out."""
    height, width = max(1, view.shape[0] // 2), max(1, view.shape[1] // 2)
    halved = np.empty((height, width), np.float32)
    for row in range(height):
        low = min(2 * row + 1, view.shape[0] - 1)
        for column in range(width):
            right = min(2 * column + 1, view.shape[1] - 1)
            halved[row, column] = (
                view[2 * row, 2 * column] + view[2 * row, right] + view[low, 2 * column] + view[low, right]
            ) * np.float32(0.25)
    return halved
