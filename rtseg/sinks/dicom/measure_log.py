"""Collects the measures of a stream for a structured report, in bounded memory."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from rtseg.frame import Segmentation
from rtseg.measure.fitness import fitness, is_fitter
from rtseg.measure.measure_history import MeasureHistory
from rtseg.measured_value import MeasuredValue

MOST_VALUES = 2000  # of all frames; a report of more is read by nobody, and takes gigabytes to build


class ReportedFrames(str, Enum):
    """Names of which frames a structured report states values."""

    BEST = "best"  # the frame of each measure that is fittest, see `fitness`
    ALL = "all"  # every frame, up to MOST_VALUES values


@dataclass(frozen=True, slots=True)
class ReportedValue:
    """Holds one entry of a report."""

    measured: MeasuredValue
    """The measure; withheld, where it has no value in any frame."""
    number: int
    """Number of the frame in the stream, from 1; 0 where the entry is of no frame."""


class MeasureLog:
    """Keeps the values that a report states. left_out: values beyond MOST_VALUES."""

    def __init__(self, frames: ReportedFrames) -> None:
        self._frames, self.left_out = frames, 0
        self._histories: dict[str, MeasureHistory] = {}
        self._best: dict[str, tuple[float, ReportedValue]] = {}
        self._newest: dict[str, MeasuredValue] = {}
        self._all: list[ReportedValue] = []

    def add(self, number: int, time_s: float, found: Segmentation) -> None:
        """Add the measures of a frame. number: of the frame, from 1."""
        for one in found.measures:
            history = self._histories.setdefault(one.name, MeasureHistory(one.title, one.unit, one.classes))
            is_steady, self._newest[one.name] = history.add(time_s, one), one
            reached = fitness(one, _confidence(one, found), is_fit=is_steady and not one.unfit)
            if one.value is None or not np.isfinite(one.value):
                continue
            if one.name not in self._best or is_fitter(reached, self._best[one.name][0]):
                self._best[one.name] = reached, ReportedValue(one, number)
            if self._frames is ReportedFrames.ALL:
                self._keep(ReportedValue(one, number))

    def _keep(self, value: ReportedValue) -> None:
        if len(self._all) < MOST_VALUES:
            self._all.append(value)
        else:
            self.left_out += 1

    def values(self) -> list[ReportedValue]:
        """Return the entries of the report: values, and each measure that was withheld in every frame with its main reason."""
        best = [value for _, value in self._best.values()]
        kept = best if self._frames is ReportedFrames.BEST else self._all + [one for one in best if one not in self._all]
        return kept + [self._withheld(name) for name in self._newest if name not in self._best]

    def _withheld(self, name: str) -> ReportedValue:
        newest, reasons = self._newest[name], self._histories[name].withheld.most_common(1)
        reason = reasons[0][0] if reasons else "its value is not finite"
        return ReportedValue(MeasuredValue(name, newest.title, newest.unit, newest.classes, withheld=reason), 0)


def _confidence(one: MeasuredValue, found: Segmentation) -> float:
    known = [found.confidence[found.classes.index(name)] for name in one.classes if name in found.classes]
    return float(np.mean(known)) if known else 0.0
