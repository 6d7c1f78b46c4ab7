"""Measures a calibration: what it refuses of own and of other pictures, with intervals by subject."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.evaluation.familiarity.discriminant import FeatureTable, fit, left_out_scores
from rtseg.frame import FAMILIAR_FROM
from rtseg.session.familiarity import FamiliarityScale

Values = npt.NDArray[np.float64]

RESAMPLES = 1000  # of subjects, for the interval
_NAMED = 12  # subjects that are named at most


def measure_calibration(
    own: FeatureTable,
    held_out: FeatureTable | None,
    others: FeatureTable,
    measured: FeatureTable | None,
    size: tuple[int, int],
) -> dict[str, Any]:
    """Return what is refused of each group, by a fit that has not seen the group, and of own pictures of unseen subjects.

    own, others: what a calibration is fitted to. held_out: own pictures of subjects that the network has not seen either; where
    there are none, those of `own` stand for them. measured: other pictures that no fit sees.
    """
    reference = own if held_out is None else held_out
    whole = FamiliarityScale(fit(own, others, size))
    report: dict[str, Any] = {
        "own": _refused(_unseen_values(whole, own, held_out, others), reference),
        "left_out_subjects": _refused(_unseen_values(whole, own, None, others), own),
        "by_group": {},
    }
    for group in np.unique(others.groups):
        rest = others.rows(others.groups != group)
        scale = FamiliarityScale(fit(own, rest, size))
        seen = _unseen_values(scale, own, held_out, rest)
        report["by_group"][str(group)] = _compared(scale, seen, others.rows(others.groups == group))
    if measured is None:
        return report
    seen = _unseen_values(whole, own, held_out, others)
    for group in np.unique(measured.groups):
        report["by_group"][str(group)] = _compared(whole, seen, measured.rows(measured.groups == group))
    return report


def _unseen_values(scale: FamiliarityScale, own: FeatureTable, held_out: FeatureTable | None, others: FeatureTable) -> Values:
    """Return the familiarity of own pictures of subjects that the fit has not seen."""
    if held_out is not None:
        return familiarities(scale, held_out)
    scores = left_out_scores(own, others, scale.calibration.size)
    return np.array([scale.of_scores(float(discriminant), float(distance)) for discriminant, distance in scores])


def familiarities(scale: FamiliarityScale, table: FeatureTable) -> Values:
    """Return the familiarity of each row, (N,)."""
    return np.array([scale.familiarity(row) for row in table.features])


def _compared(scale: FamiliarityScale, seen: Values, other: FeatureTable) -> dict[str, Any]:
    strange = familiarities(scale, other)
    return _refused(strange, other) | {"auroc": area_under_curve(seen, strange), "own_refused": _share(seen)}


def _refused(values: Values, table: FeatureTable) -> dict[str, Any]:
    """Return the share of pictures that are called unfamiliar, with its 95 % interval over resampled subjects."""
    refused = values < FAMILIAR_FROM
    names, places = np.unique(table.subjects, return_inverse=True)
    sums, counts = np.bincount(places, refused), np.bincount(places)
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    shares = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    worst = np.argsort(-sums / counts)[:_NAMED]
    return {
        "frames": len(values),
        "subjects": len(names),
        "unfamiliar": _share(values),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "median_familiarity": round(float(np.median(values)), 4),
        "most_refused": {str(names[i]): round(float(sums[i] / counts[i]), 3) for i in worst if sums[i]},
    }


def _share(values: Values) -> float:
    return round(float(np.mean(values < FAMILIAR_FROM)), 4)


def area_under_curve(own: Values, other: Values) -> float:
    """Return the probability that an own picture is more familiar than another one; ties count half."""
    below = np.searchsorted(np.sort(other), own, side="left")
    equal = np.searchsorted(np.sort(other), own, side="right")
    return round(float((below + equal).mean() / 2 / len(other)), 4)
