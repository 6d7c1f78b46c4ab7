"""Computes the interval of a mean difference between two trainings, over the subjects that both were measured on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_T_975 = (  # Student's t at 97.5 %, for 1 to 30 degrees of freedom
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_HIGHER_IS_BETTER, _LOWER_IS_BETTER = 1, -1


def paired_difference(
    base: Sequence[Mapping[str, float | None]], other: Sequence[Mapping[str, float | None]], *, lower_is_better: bool = False
) -> dict[str, Any]:
    """Return the mean difference of `other` to `base` with its 95 % interval, and the verdict as plain values.

    base, other: for each seed, a measure of each subject. The seeds are averaged first, because subjects are the sample;
    Student's t is wide over few of them. A difference whose interval holds 0 is "none".
    """
    differences = subject_means(other) - subject_means(base)
    differences = differences[np.isfinite(differences)]
    found = {"subjects": len(differences), "mean": None, "interval": None, "verdict": "none"}
    if len(differences) < 2:
        return found
    mean, half = float(differences.mean()), t_quantile(len(differences) - 1) * float(differences.std(ddof=1))
    low, high = mean - half / math.sqrt(len(differences)), mean + half / math.sqrt(len(differences))
    better = _LOWER_IS_BETTER if lower_is_better else _HIGHER_IS_BETTER
    verdict = "none" if low <= 0 <= high else "gain" if mean * better > 0 else "loss"
    return found | {"mean": round(mean, 5), "interval": [round(low, 5), round(high, 5)], "verdict": verdict}


def subject_means(seeds: Sequence[Mapping[str, float | None]]) -> npt.NDArray[np.float64]:
    """Return the mean over the seeds for each subject, in the order of their names; NaN where a measure is None."""
    means: npt.NDArray[np.float64] = np.array([[seed[name] for name in sorted(seeds[0])] for seed in seeds], np.float64).mean(
        axis=0
    )
    return means


def t_quantile(freedom: int) -> float:
    """Return Student's t at 97.5 % (Cornish and Fisher's expansion beyond 30 degrees of freedom)."""
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
