"""Finds heart beats in a curve of areas or volumes: end-diastole, end-systole, and the heart rate.

End-diastole is the largest, end-systole the smallest value of a beat, as in R. M. Lang et al., JASE 28, 2015. The period is
that of the curve's autocorrelation, so that a single drop or an early beat does not change it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]

MIN_RATE, MAX_RATE = 30.0, 220.0  # beats per minute that are searched for
_MIN_SAMPLES = 8  # of a curve in which a beat is searched for
_GRID_S = 0.01  # steps of the curve on which extrema are found
_PERIOD_GRID_S = 0.02  # and the period
_MIN_PERIODICITY = 0.25  # autocorrelation at the period, below which there is no beat
_NOISE = 3.5  # over the root of the number of values: the highest autocorrelation of noise
_AS_HIGH = 0.5  # of the highest autocorrelation, from which a shorter period counts: its multiples are as high
_USUAL_REACH = 0.3  # of the usual period, within which a period is the same
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


@dataclass(frozen=True, slots=True)
class Extrema:
    """Holds the largest and smallest values of each beat of a curve; a beat at its ends may lack one of them."""

    period_s: float
    """The typical length of a beat."""
    tops_s: list[float]
    """Times of the largest values, in order."""
    lows_s: list[float]
    """Times of the smallest values, in order."""
    feet_s: list[float]
    """Times at which the curve begins to rise to each top, by the intersecting tangents; where the low before it was seen.

    Y. C. Chiu et al., "Determination of pulse wave velocities with computerized algorithms", American Heart Journal 121, 1991.
    A lumen is as narrow for half a beat, so that its smallest value tells no moment.
    """


def find_beats(times_s: Curve, values: Curve) -> list[Beat]:
    """Return the complete beats of a curve, in order; none where the curve has no beat.

    times_s, values: (N,), in order of time; a value that is NaN is left out, as of a dropped or withheld frame. A beat is
    complete where its end-diastole, its end-systole and the next end-diastole were seen.
    """
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(times_s))
    found = find_extrema(times_s[known], values[known])
    if found is None:
        return []
    times, beats = times_s[known], []
    for first, second in pairwise(found.tops_s):
        for low in [one for one in found.lows_s if first < one < second][:1]:
            diastole, systole = (int(known[nearest_sample(times, at)]) for at in (first, low))
            beats.append(Beat(diastole, systole, second - first))
    return beats


def find_extrema(times_s: Curve, values: Curve, usual_s: float | None = None) -> Extrema | None:
    """Return the extrema of a curve without NaN; None where it has no beat. usual_s: as in `beat_period`."""
    if len(times_s) < _MIN_SAMPLES or not np.all(np.diff(times_s) > 0):
        return None
    period = beat_period(times_s, values, usual_s)
    if period is None:
        return None
    grid = np.arange(times_s[0], times_s[-1], _GRID_S)
    curve, steps = np.interp(grid, times_s, values), period / _GRID_S
    smooth, fine = _smoothed(curve, steps / 24), _smoothed(curve, steps / 80)
    tops = _end_diastoles(smooth, steps)
    lows = _lows(smooth, tops, steps)
    feet = [_foot(fine, low, top) for low, top in _rises(lows, tops)]
    return Extrema(
        period,
        [float(grid[_highest_near(fine, at, steps)]) for at in tops],
        [float(grid[_highest_near(-fine, at, steps)]) for at in lows],
        [float(grid[0] + at * _GRID_S) for at in feet],
    )


def heart_rate(beats: list[Beat]) -> float | None:
    """Return the beats per minute, from the median beat; None without a beat."""
    return heart_rate_of([beat.seconds for beat in beats]) if beats else None


def heart_rate_of(beats_s: Sequence[float] | Curve) -> float:
    """Return the beats per minute of beats of these lengths in seconds, at least one, from the median."""
    return 60 / float(np.median(beats_s))


def beat_period(times_s: Curve, values: Curve, usual_s: float | None = None) -> float | None:
    """Return the period of a curve in seconds, 30 to 220 beats per minute; None where it has none.

    usual_s: the period so far, which is preferred to longer ones: early beats make its multiples as likely.
    """
    grid = np.arange(times_s[0], times_s[-1], _PERIOD_GRID_S)
    shortest, longest = int(60 / MAX_RATE / _PERIOD_GRID_S), int(60 / MIN_RATE / _PERIOD_GRID_S)
    if len(grid) < 2 * shortest:
        return None
    curve = np.interp(grid, times_s, values)
    curve = curve - _moving_mean(curve, min(len(curve), 2 * longest))
    if float(curve @ curve) <= 1e-12 * max(1.0, float(np.square(values).sum())):
        return None
    lags = np.arange(shortest, min(longest, len(curve) * 2 // 3) + 1)
    scores = _periodicity(curve)[lags]
    peaks = np.flatnonzero((scores[1:-1] >= scores[:-2]) & (scores[1:-1] > scores[2:])) + 1
    if not len(peaks) or scores[peaks].max() < max(_MIN_PERIODICITY, _NOISE / math.sqrt(len(values))):
        return None
    first = peaks[scores[peaks] >= _AS_HIGH * scores[peaks].max()][0]
    if usual_s and lags[first] * _PERIOD_GRID_S > (1 + _USUAL_REACH) * usual_s:
        usual = [at for at in peaks if abs(lags[at] * _PERIOD_GRID_S / usual_s - 1) < _USUAL_REACH]
        first = max(usual, key=lambda at: float(scores[at]), default=first)
    return float(lags[first] * _PERIOD_GRID_S)


def _periodicity(curve: Curve) -> Curve:
    """Return the autocorrelation of a curve without mean at each lag, 1 at none, as if it went on beyond its ends."""
    size = 1 << (2 * len(curve) - 1).bit_length()
    spectrum = np.fft.rfft(curve, size)
    products = np.fft.irfft(spectrum * spectrum.conj(), size)[: len(curve)]
    return np.asarray(products / products[0] / (1 - np.arange(len(curve)) / len(curve)), np.float64)


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


def _lows(smooth: Curve, tops: Sequence[int], period: float) -> list[int]:
    """Return the smallest value between two tops, and that after the last top and before the first, where the curve turns."""
    lows = [first + int(np.argmin(smooth[first : second + 1])) for first, second in pairwise(tops)]
    if not tops:
        return lows
    reach = round(period)
    before = max(0, tops[0] - reach)
    early = before + int(np.argmin(smooth[before : tops[0] + 1]))
    late = tops[-1] + int(np.argmin(smooth[tops[-1] : tops[-1] + reach]))
    turned = [at for at in (early, late) if 0 < at < len(smooth) - 1]
    return sorted({*lows, *turned})


def _rises(lows: Sequence[int], tops: Sequence[int]) -> list[tuple[int, int]]:
    """Return each low with the top that follows it."""
    after = [(low, min((top for top in tops if top > low), default=0)) for low in lows]
    return [(low, top) for low, top in after if top]


def _foot(fine: Curve, low: int, top: int) -> float:
    """Return where the tangent of the steepest rise meets the lowest value, in samples."""
    slopes = np.gradient(fine[low : top + 1])
    at = int(np.argmax(slopes))
    return low + at - float((fine[low + at] - fine[low]) / slopes[at]) if slopes[at] > 0 else float(low)


def _highest_near(fine: Curve, at: int, steps: float) -> int:
    """Return where the lightly smoothed curve is highest near an extremum of the smooth one, which lies flatter and shifted."""
    start = max(0, at - round(steps / 12))
    return start + int(np.argmax(fine[start : at + round(steps / 12) + 1]))


def nearest_sample(times: Curve, time: float) -> int:
    """Return the index of the sample that is nearest to a time. times: (N,), rising."""
    after = int(np.searchsorted(times, time))
    if after == len(times) or (after and time - times[after - 1] < times[after] - time):
        return after - 1
    return after
