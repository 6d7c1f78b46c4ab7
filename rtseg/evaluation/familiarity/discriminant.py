"""Fits the statistics by which own pictures of a network are told from others: a discriminant and a distance.

The discriminant is a logistic regression with a ridge, in which each subject and each group of other pictures counts equally.
The distance is that of Mahalanobis along the principal directions of the own pictures, with one variance for all others, as in
probabilistic PCA (Tipping and Bishop, 1999).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rtseg.engines.familiarity_calibration import FamiliarityCalibration, packed
from rtseg.session.familiarity import CLIP, FamiliarityScale

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DIRECTIONS = 16  # principal directions at most
RIDGE = 3.0
FOLDS = 5  # of subjects that are left out together; as many as there are subjects, where there are fewer
MISSED, FAR = 0.015, 0.005  # share of own pictures of left-out subjects beyond the bound of discriminant, and of distance
GAP = 0.3  # share of the gap between own and other pictures by which a bound is wider, for scanners that the data lack
NEAREST = 0.05  # share of other pictures that may lie within the gap
_WEIGHT = 400.0  # of all own pictures against the ridge, and of all others
_STEPS = 40
_LEAST_SHARE = 0.05  # least deviation of a feature, as a share of the median one
_LEAST_REST = 0.02  # least variance across the principal directions


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Holds the features of pictures and what is known about each row."""

    features: Values
    """(N, D)."""
    subjects: npt.NDArray[np.str_]
    """(N,) person or exam."""
    groups: npt.NDArray[np.str_]
    """(N,) anatomy or kind."""
    distance_from: int = 0
    """Index from which features count in the distance, after those of the state."""

    def rows(self, chosen: Flags) -> "FeatureTable":
        """Return some of the rows."""
        return replace(self, features=self.features[chosen], subjects=self.subjects[chosen], groups=self.groups[chosen])

    def __len__(self) -> int:
        return len(self.features)


def fit(own: FeatureTable, others: FeatureTable, size: tuple[int, int]) -> FamiliarityCalibration:
    """Fit a calibration, with bounds from pictures of subjects that were left out. Raises ValueError without two subjects."""
    scores = left_out_scores(own, others, size)
    scale = FamiliarityScale(_statistics(own, others, size))
    strange = np.array([scale.scores(row) for row in others.features])
    lowest, farthest = float(np.quantile(scores[:, 0], MISSED)), float(np.quantile(scores[:, 1], 1 - FAR))
    bounds = (
        lowest - GAP * max(0.0, lowest - float(np.quantile(strange[:, 0], 1 - NEAREST))),
        farthest + GAP * max(0.0, float(np.quantile(strange[:, 1], NEAREST)) - farthest),
    )
    widths = float(scores[:, 0].std()) or 1.0, float(scores[:, 1].std()) or 1.0
    return _statistics(own, others, size, bounds, widths)


def left_out_scores(own: FeatureTable, others: FeatureTable, size: tuple[int, int]) -> Values:
    """Return discriminant and distance of each own picture, (N, 2), with a fit that has not seen its subject."""
    fold, scores = folds(own.subjects), np.zeros((len(own), 2))
    for one in range(int(fold.max()) + 1):
        scale = FamiliarityScale(_statistics(own.rows(fold != one), others, size))
        scores[fold == one] = [scale.scores(row) for row in own.features[fold == one]]
    return scores


def folds(subjects: npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
    """Return the fold of each picture, (N,), so that a subject is in one fold. Raises ValueError without two subjects."""
    names, places = np.unique(subjects, return_inverse=True)
    if len(names) < 2:
        raise ValueError("a calibration takes pictures of two subjects or more, since each is judged without its own")
    order = np.random.default_rng(0).permutation(len(names))
    return np.asarray(order[places] % min(FOLDS, len(names)), np.intp)


def _statistics(
    own: FeatureTable,
    others: FeatureTable,
    size: tuple[int, int],
    bounds: tuple[float, float] = (0.0, 1.0),
    widths: tuple[float, float] = (1.0, 1.0),
) -> FamiliarityCalibration:
    mean, spread = own.features.mean(0), own.features.std(0)
    scale = np.maximum(spread, _LEAST_SHARE * np.median(spread) + 1e-6)
    z = np.clip((own.features - mean) / scale, -CLIP, CLIP)
    z_others = np.clip((others.features - mean) / scale, -CLIP, CLIP)
    weight = np.concatenate([_balanced(own.subjects), _balanced(others.groups)]) * _WEIGHT
    weights = _logistic_regression(np.concatenate([z, z_others]), np.arange(len(weight)) < len(z), weight)
    start = own.distance_from
    values, vectors = np.linalg.eigh(np.cov(z[:, start:].T))
    count = min(DIRECTIONS, len(z) - 1, len(values) - 1)
    rest = max(float(values[:-count].mean()), _LEAST_REST)
    deviations = np.sqrt(np.maximum([*values[::-1][:count], rest], 1e-6))
    basis = np.zeros((count, z.shape[1]))
    basis[:, start:] = vectors[:, ::-1][:, :count].T
    arrays = packed(mean), packed(scale), packed(weights), packed(basis, np.float16), packed(deviations)
    return FamiliarityCalibration(size, *arrays, bounds, widths, start)


def _balanced(names: npt.NDArray[np.str_]) -> Values:
    """Return a weight for each row, so that each name has the same, and all together 1."""
    _, places, counts = np.unique(names, return_inverse=True, return_counts=True)
    return np.asarray(1 / (counts[places] * len(counts)), np.float64)


def _logistic_regression(rows: Values, is_own: Flags, weight: Values) -> Values:
    """Return the weights (D,) of a logistic regression with a ridge, by Newton's method; the constant is left to the bound."""
    design = np.concatenate([rows, np.ones((len(rows), 1))], 1)
    ridge, found = np.full(design.shape[1], RIDGE), np.zeros(design.shape[1])
    ridge[-1] = 1e-6
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weight * (likely - is_own)) + ridge * found
        curvature = (design * (weight * likely * (1 - likely) + 1e-6)[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, slope)
        found -= step
        if np.abs(step).max() < 1e-3:
            break
    return found[:-1]
