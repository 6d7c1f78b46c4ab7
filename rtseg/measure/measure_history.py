"""Holds one measure over a stream in bounded memory: its curve, its median and spread, and why it was withheld."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from rtseg.measure.steadiness import SteadyWindow
from rtseg.measured_value import MeasuredValue

Curve = npt.NDArray[np.float64]

MAX_POINTS = 16384  # of a curve; then every second one is kept, and so are later ones
_MAX_REASONS = 20


class MeasureHistory:
    """Collects the values of one measure, frame by frame."""

    def __init__(self, title: str, unit: str, classes: tuple[str, ...] = ()) -> None:
        self.title, self.unit, self.classes = title, unit, classes
        self.withheld: Counter[str] = Counter()
        self.spacing_from: Counter[str] = Counter()
        self.measured = 0  # frames with a value
        self._points: list[tuple[float, float, float, float]] = []  # seconds, value, low, high; NaN where unknown
        self._stride, self._skipped = 1, 0
        self._steady = SteadyWindow()

    def add(self, time_s: float, one: MeasuredValue) -> bool:
        """Add the value of a frame; return whether it has been steady for 0.3 s, so that the frame is fit to be measured."""
        if one.value is None:
            reason = one.withheld if one.withheld in self.withheld or len(self.withheld) < _MAX_REASONS else "other reasons"
            self.withheld[reason] += 1
            self._steady.clear()
            self._keep((time_s, np.nan, np.nan, np.nan))
            return False
        self.measured += 1
        self.spacing_from[one.spacing_from] += 1
        low, high = (np.nan if end is None else end for end in (one.low, one.high))
        self._keep((time_s, one.value, low, high))
        return self._steady.add(time_s, one.value)

    def _keep(self, point: tuple[float, float, float, float]) -> None:
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self._points.append(point)
        if len(self._points) > MAX_POINTS:
            self._points = self._points[::2]
            self._stride *= 2

    def curve(self) -> tuple[Curve, Curve, Curve, Curve]:
        """Return seconds, values, lows and highs, each (N,), NaN where unknown."""
        points = np.array(self._points, np.float64).reshape(-1, 4)
        return points[:, 0], points[:, 1], points[:, 2], points[:, 3]

    def spread(self) -> tuple[float, float, float] | None:
        """Return the median and the 5th and 95th percentile of the values; None without any."""
        values = self.curve()[1]
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        low, middle, high = np.percentile(values, (5, 50, 95))
        return float(middle), float(low), float(high)
