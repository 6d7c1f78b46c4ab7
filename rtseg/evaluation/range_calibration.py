"""Fits the range of each measure to experts: which share of the range by probabilities holds their value in 90 % of pictures.

It is split conformal prediction with the range as the scale of the error (A. N. Angelopoulos and S. Bates, "A gentle
introduction to conformal prediction", 2021), fitted on the subjects of the training. The network has seen their pictures, so
that only held-out subjects tell the true coverage.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import Any

import numpy as np

from rtseg.engines.base import Engine
from rtseg.evaluation.dataset import Case
from rtseg.frame import Frame, Segmentation
from rtseg.measure.biometry import RANGE_COVERS, RequestedMeasure
from rtseg.measure.measured_region import MeasuredRegion
from rtseg.session.session import Session

Progress = Callable[[int, int], None]

_DRAWS = 2000  # of resampled subjects, for the interval of the coverage
_MIN_ROWS = 30  # pictures from which a factor is fitted


@dataclass(frozen=True, slots=True)
class RangeRow:
    """Holds one measure of one picture beside the expert's."""

    name: str
    """Name of the picture."""
    subject: str
    """Name of the subject."""
    expert: float
    """The expert's value."""
    value: float
    """Ours."""
    low: float
    """The value on the pixels of a probability of 95 % or more."""
    high: float
    """The value on the pixels of a probability of 5 % or more."""

    @property
    def reach(self) -> float:
        """Return the share of the range, from our value to one of its ends, at which the expert's value lies."""
        side = self.value - self.low if self.expert < self.value else self.high - self.value
        off = abs(self.expert - self.value)
        return off / side if side > 0 else (math.inf if off > 0 else 0.0)


def gather_ranges(
    network: Engine, cases: Sequence[Case], measures: Sequence[str], progress: Progress = lambda _done, _all: None
) -> dict[str, list[RangeRow]]:
    """Return the rows of each measure, by its name, of all pictures whose pixel size and expert's value are known.

    Each picture is segmented alone, without memory; a withheld value, and one without a range, has no row.
    """
    session = Session(network, temporal=None, measures=measures)
    session.settings = replace(session.settings, measure_unfamiliar=True)
    rows: dict[str, list[RangeRow]] = {one.name: [] for one in session.requested_measures}
    for done, case in enumerate(cases):
        session.reset("next picture")
        for name, row in _rows(session, case, done):
            rows[name].append(row)
        progress(done + 1, len(cases))
    session.close()
    return rows


def fitted_factor(rows: Sequence[RangeRow]) -> float:
    """Return the factor of the range that holds the expert's value in 90 % of further pictures; infinite for too few rows."""
    if len(rows) < _MIN_ROWS:
        return math.inf
    rank = math.ceil((len(rows) + 1) * RANGE_COVERS)
    return float(np.sort([row.reach for row in rows])[rank - 1]) if rank <= len(rows) else math.inf


def range_report(rows: Sequence[RangeRow], factor: float) -> dict[str, Any]:
    """Return error, bias and coverage of rows with their range times the factor; subjects count as one each in `by_subject`."""
    if not rows:
        return {"pictures": 0}
    errors = np.array([row.value - row.expert for row in rows])
    held = np.array([row.reach <= factor for row in rows])
    names = np.array([row.subject for row in rows])
    by_subject = np.array([held[names == name].mean() for name in sorted(set(names.tolist()))])
    draws = np.random.default_rng(0).choice(by_subject, (_DRAWS, len(by_subject))).mean(1)
    return {
        "pictures": len(rows),
        "subjects": len(by_subject),
        "mean_absolute_error": float(np.abs(errors).mean()),
        "bias": float(errors.mean()),
        "coverage": float(held.mean()),
        "coverage_by_subject": float(by_subject.mean()),
        "coverage_interval": [float(end) for end in np.percentile(draws, (2.5, 97.5))],
        "coverage_before": float(np.mean([row.reach <= 1 for row in rows])),
        "mean_width": float(np.mean([row.high - row.low for row in rows]) * factor),
    }


def _rows(session: Session, case: Case, index: int) -> Iterator[tuple[str, RangeRow]]:
    if case.spacing_mm is None:
        return
    session.spacing_mm = case.spacing_mm
    image, truth = case.image_and_labels(session.classes)
    found = session.step(Frame(image, index, perf_counter_ns()))
    measured = {one.name: one for one in found.measures}
    for one in session.requested_measures:
        seen, expert = measured[one.name], _expert_value(one, case, found, truth)
        if seen.value is None or seen.low is None or seen.high is None or expert is None:
            continue
        low, high = (seen.value + (end - seen.value) / (one.range_factor or 1.0) for end in (seen.low, seen.high))
        yield one.name, RangeRow(case.name, case.subject, expert, seen.value, low, high)


def _expert_value(one: RequestedMeasure, case: Case, found: Segmentation, truth: "np.ndarray[Any, Any]") -> float | None:
    """Return the expert's own measure where there is one, else that of the expert's mask; None where neither is known."""
    if one.quantity.name == "hc" and case.head_circumference_mm is not None:
        return case.head_circumference_mm
    assert case.spacing_mm is not None
    masks = (truth == found.classes.index(name) + 1 for name in one.classes)
    return one.value(*(MeasuredRegion(mask, case.spacing_mm, found.outline_px) for mask in masks))


def factors_of(rows: Mapping[str, Sequence[RangeRow]]) -> dict[str, float]:
    """Return the factor of each measure that has enough rows."""
    factors = {name: fitted_factor(of_measure) for name, of_measure in rows.items()}
    return {name: round(factor, 4) for name, factor in factors.items() if 0 < factor < math.inf}
