"""Judges whether a frame is fit to be measured, and keeps the best frame so far of each measure."""

from dataclasses import replace

from rtseg.measure.steadiness import SteadyWindow
from rtseg.measured_value import BestFrame, MeasuredValue

UNSTEADY = "the value has not been steady for 0.3 s"

_MIN_GAIN = 0.002  # of the fitness, from which a better frame replaces the one before
_MAX_WIDTH = 0.25  # of the value, per dimension of the unit: a wider range means that no sharp border is seen
_DIMENSIONS = {"mm2": 2, "ml": 3}
_MIN_SHARE = 0.95  # of a class that its largest region must hold


def fitness(one: MeasuredValue, confidence: float, *, is_fit: bool) -> float:
    """Return how fit a frame is for one measure, by the network's confidence and range; every fit frame is above the others.

    confidence: of the measured classes, 0 to 1. A withheld value has a fitness below all others.
    """
    if one.value is None:
        return -1.0
    width = abs(one.high - one.low) if one.low is not None and one.high is not None else abs(one.value)
    return confidence - 0.5 * min(1.0, width / max(abs(one.value), 1e-9)) + (1.0 if is_fit else 0.0)


def is_fitter(fitness_of_one: float, of_best: float) -> bool:
    """Return whether a frame is so much fitter than the best one so far that it takes its place."""
    return fitness_of_one > of_best + _MIN_GAIN


def unsharp_reason(one: MeasuredValue, largest_share: float | None) -> str:
    """Return why a mask is no single, sharply bordered region, or "".

    one: the value with its range by the probabilities. largest_share: of the class that its largest region holds; None where
    the measure takes several regions.
    """
    if largest_share is not None and largest_share < _MIN_SHARE:
        return f"the {one.classes[0]} is in several pieces"
    if one.value is None or one.high is None:
        return ""
    if one.low is None:
        return "the network is sure of no pixel"
    if one.high - one.low > _MAX_WIDTH * _DIMENSIONS.get(one.unit, 1) * abs(one.value):
        return "the border is not sharp"
    return ""


class FitnessMonitor:
    """Follows the fitness of one measure over a stream."""

    def __init__(self) -> None:
        self._steady = SteadyWindow()
        self._best: BestFrame | None = None
        self._fitness = -1.0

    def forget(self) -> None:
        """Start afresh, as for another patient."""
        self._steady.clear()
        self._best, self._fitness = None, -1.0

    def observe(self, one: MeasuredValue, index: int, seconds: float, confidence: float) -> MeasuredValue:
        """Return the value of a frame with the reason why the frame is unfit, if any, and with the best frame so far."""
        if one.value is None:
            self._steady.clear()
            return replace(one, best=self._best)
        is_steady = self._steady.add(seconds, one.value)
        judged = replace(one, unfit=one.unfit or ("" if is_steady else UNSTEADY))
        reached = fitness(judged, confidence, is_fit=not judged.unfit)
        if is_fitter(reached, self._fitness):
            self._best, self._fitness = BestFrame(index, seconds, one.value, is_fit=not judged.unfit), reached
        return replace(judged, best=self._best)
