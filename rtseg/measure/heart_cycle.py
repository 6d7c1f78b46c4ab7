"""Finds heart beats in a curve of areas or volumes: end-diastole, end-systole, and the heart rate.

End-diastole is the largest, end-systole the smallest value of a beat, as in R. M. Lang et al., JASE 28, 2015. The period is
that of the curve's autocorrelation, so that a single drop or an early beat does not change it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]

MIN_RATE, MAX_RATE = 30.0, 220.0  # beats per minute that are searched for
_GRID_S = 0.01  # steps of the curve on which the period is found
_MIN_PERIODICITY = 0.25  # autocorrelation at the period, below which there is no beat
_MIN_BEAT = 0.45  # of the period, between two end-diastoles
_MIN_SWING = 0.35  # of the typical swing, below which an extremum is noise


@dataclass(frozen=True, slots=True)
class Beat:
    """Holds one beat: where it begins, its end-systole, and where the next one begins."""

    end_diastole: int
    """Index of the sample of end-diastole."""
    end_systole: int
    """Index of the sample of the end-systole that follows."""
    seconds: float
    """Time to the next end-diastole."""


def find_beats(times_s: Curve, values: Curve) -> list[Beat]:
    """Return the complete beats of a curve, in order; none where the curve has no beat.

    times_s, values: (N,), in order of time; a value that is NaN is left out, as of a dropped or withheld frame. A beat is
    complete where its end-diastole, its end-systole and the next end-diastole were seen.
    """
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(times_s))
    if len(known) < 8 or not np.all(np.diff(times_s[known]) > 0):
        return []
    times = times_s[known]
    period = beat_period(times, values[known])
    if period is None:
        return []
    grid = np.arange(times[0], times[-1], _GRID_S)
    curve, steps = np.interp(grid, times, values[known]), period / _GRID_S
    smooth, fine = _smoothed(curve, steps / 24), _smoothed(curve, steps / 80)
    beats, tops = [], _end_diastoles(smooth, steps)
    tops = [_highest_near(fine, at, steps) for at in tops]
    for first, second in pairwise(tops):
        low = _highest_near(-fine, first + int(np.argmin(smooth[first : second + 1])), steps)
        if first < low < second:
            diastole, systole = (int(known[_nearest(times, grid[at])]) for at in (first, low))
            beats.append(Beat(diastole, systole, (second - first) * _GRID_S))
    return beats


def heart_rate(beats: list[Beat]) -> float | None:
    """Return the beats per minute, from the median beat; None without a beat."""
    return 60 / float(np.median([beat.seconds for beat in beats])) if beats else None


def beat_period(times_s: Curve, values: Curve) -> float | None:
    """Return the period of a curve in seconds, 30 to 220 beats per minute; None where it has none."""
    grid = np.arange(times_s[0], times_s[-1], _GRID_S)
    shortest, longest = int(60 / MAX_RATE / _GRID_S), int(60 / MIN_RATE / _GRID_S)
    if len(grid) < 2 * shortest:
        return None
    curve = np.interp(grid, times_s, values)
    curve = curve - _moving_mean(curve, min(len(curve), 2 * longest))
    spread = float(curve @ curve)
    if spread <= 1e-12 * max(1.0, float(np.square(values).sum())):
        return None
    lags = np.arange(shortest, min(longest, len(curve) * 2 // 3) + 1)
    scores = np.array([curve[lag:] @ curve[:-lag] / (spread * (1 - lag / len(curve))) for lag in lags])
    peaks = np.flatnonzero((scores[1:-1] >= scores[:-2]) & (scores[1:-1] > scores[2:])) + 1
    if not len(peaks) or scores[peaks].max() < _MIN_PERIODICITY:
        return None
    first = peaks[scores[peaks] >= 0.8 * scores[peaks].max()][0]  # the multiples of a period are as high
    return float(lags[first] * _GRID_S)


def _moving_mean(curve: Curve, width: int) -> Curve:
    sums = np.concatenate([[0.0], np.cumsum(curve)])
    places = np.arange(len(curve))
    low, high = np.maximum(places - width // 2, 0), np.minimum(places + width // 2 + 1, len(curve))
    return np.asarray((sums[high] - sums[low]) / (high - low), np.float64)


def _smoothed(curve: Curve, sigma: float) -> Curve:
    """Return the curve smoothed by a Gaussian of sigma samples."""
    reach = max(1, math.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(curve, reach, mode="edge"), weights / weights.sum(), "valid")


def _end_diastoles(smooth: Curve, period: float) -> list[int]:
    """Return where the largest value of each beat is; the ends of the curve, which may rise further, do not count."""
    near = round(_MIN_BEAT * period)
    tops = []
    for at in np.flatnonzero((smooth[1:-1] >= smooth[:-2]) & (smooth[1:-1] > smooth[2:])) + 1:
        around = smooth[max(0, at - near) : at + near + 1]
        if smooth[at] >= around.max():
            tops.append(int(at))
    swings = [float(smooth[at] - smooth[max(0, at - round(period)) : at + round(period) + 1].min()) for at in tops]
    enough = _MIN_SWING * float(np.median(swings)) if swings else 0.0
    return [at for at, swing in zip(tops, swings, strict=True) if swing >= enough]


def _highest_near(fine: Curve, at: int, steps: float) -> int:
    """Return where the lightly smoothed curve is highest near an extremum of the smooth one, which lies flatter and shifted."""
    start = max(0, at - round(steps / 12))
    return start + int(np.argmax(fine[start : at + round(steps / 12) + 1]))


def _nearest(times: Curve, time: float) -> int:
    after = int(np.searchsorted(times, time))
    if after == len(times) or (after and time - times[after - 1] < times[after] - time):
        return after - 1
    return after
