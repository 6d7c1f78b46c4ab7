"""Follows the measures of a stream from frame to frame: which frames are fit to be measured, and where the heart beats."""

from dataclasses import replace

import numpy as np

from rtseg.cycle_state import CycleState
from rtseg.frame import Frame, Life, Segmentation
from rtseg.measure.beating_measure import is_lumen_measure, is_ventricle_measure
from rtseg.measure.cycle_monitor import CycleMonitor
from rtseg.measure.fitness import FitnessMonitor
from rtseg.measure.stream_time import StreamTime
from rtseg.measured_value import MeasuredValue

_NEW_SCENE = (Life.NEW, Life.CUT, Life.GAP)  # states after which the curve of a beat does not go on


class MeasureFollower:
    """Adds to the measures of each frame what the frames before it tell.

    The heart beat is that of the first measure that follows it.
    """

    def __init__(self) -> None:
        self._time = StreamTime()
        self._fitness: dict[str, FitnessMonitor] = {}
        self._beats: dict[str, CycleMonitor] = {}

    def followed(self, found: Segmentation, frame: Frame) -> Segmentation:
        """Return a measured segmentation with the fitness of each measure and the state of the heart beat."""
        seconds, is_held = self._time.seconds(frame), found.life is Life.HELD
        self._forget(found.life)
        cycle = next((self._beat(one, frame.index, seconds, is_held) for one in found.measures if _beats(one)), None)
        if is_held:
            return replace(found, cycle=cycle)
        judged = tuple(self._judged(one, found, frame.index, seconds) for one in found.measures)
        return replace(found, measures=judged, cycle=cycle)

    def _forget(self, life: Life) -> None:
        if life in _NEW_SCENE:
            for beat in self._beats.values():
                beat.forget()
        if life is Life.NEW:
            self._fitness.clear()

    def _beat(self, one: MeasuredValue, index: int, seconds: float, is_held: bool) -> CycleState:
        if one.name not in self._beats:
            self._beats[one.name] = CycleMonitor(one.name, is_lumen=not is_ventricle_measure(one.name))
        return self._beats[one.name].observe(index, seconds, None if is_held else one.value)

    def _judged(self, one: MeasuredValue, found: Segmentation, index: int, seconds: float) -> MeasuredValue:
        known = [found.confidence[found.classes.index(name)] for name in one.classes]
        monitor = self._fitness.setdefault(one.name, FitnessMonitor())
        return monitor.observe(one, index, seconds, float(np.mean(known)) if known else 0.0)


def _beats(one: MeasuredValue) -> bool:
    return is_ventricle_measure(one.name) or is_lumen_measure(one.name, one.classes)
