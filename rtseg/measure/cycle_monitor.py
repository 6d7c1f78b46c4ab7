"""Finds the heart beat in a measure while it is taken: the phase of each frame, and the frames of end-diastole and end-systole.

It is causal: a moment is found when the curve has turned, about a third of a beat after it, and names its own frame.
"""

from collections import deque

import numpy as np

from rtseg.cycle_state import END_DIASTOLE, END_SYSTOLE, PEAK_SYSTOLE, CycleMark, CycleState
from rtseg.measure.heart_cycle import Extrema, find_extrema, heart_rate_of, nearest_sample

_WINDOW_S = 8.0  # in which beats are searched; four of the slowest
_EVERY_S = 0.15  # time between two searches
_MAX_SAMPLES = 1024  # in the window, so that memory and time are bounded at any frame rate
_TURNED = 0.3  # of a beat that must have passed after a moment
_APART = 0.4  # of a beat between two equal moments
_OVERDUE = 1.5  # beats after which the phase is unknown
_STALE = 4.0  # beats after which the rate is unknown
_MIN_BEATS = 2  # for a rate
_RECENT_BEATS = 8  # of which the rate is taken


class CycleMonitor:
    """Follows the beat in the values of one measure, frame by frame.

    measure: its name. is_lumen: whether it is that of a vessel, which begins to widen at end-diastole; a ventricle is largest
    then.
    """

    def __init__(self, measure: str, *, is_lumen: bool) -> None:
        self._measure = measure
        self._is_lumen = is_lumen
        self.forget()

    def forget(self) -> None:
        """Start afresh, as after a cut."""
        self._samples = deque[tuple[int, float, float]](maxlen=_MAX_SAMPLES)  # index, seconds, value
        self._latest: dict[str, CycleMark] = {}
        self._starts = deque[float](maxlen=_RECENT_BEATS + 1)  # seconds of the newest end-diastoles
        self._searched_s, self._period_s = -_EVERY_S, 0.0

    def observe(self, index: int, seconds: float, value: float | None) -> CycleState:
        """Add the value of a frame, None where it is withheld or repeats an earlier one; return what is known on this frame."""
        if self._samples and seconds <= self._samples[-1][1]:
            if value is not None and seconds < self._samples[-1][1]:
                self.forget()  # the clock went back
            value = None
        if value is not None and np.isfinite(value):
            self._samples.append((index, seconds, value))
            while seconds - self._samples[0][1] > _WINDOW_S:
                self._samples.popleft()
        marks = self._search(seconds) if seconds - self._searched_s >= _EVERY_S else ()
        latest = dict(self._latest) if self._latest else None
        return CycleState(self._measure, self._heart_rate(seconds), self._phase(seconds), marks, latest)

    def _search(self, seconds: float) -> tuple[CycleMark, ...]:
        self._searched_s = seconds
        if not self._samples:
            return ()
        times, values = (np.array([sample[at] for sample in self._samples], np.float64) for at in (1, 2))
        found = find_extrema(times, values, self._period_s or None)
        if found is None:
            return ()
        self._period_s = found.period_s
        marks = sorted(self._new_marks(found, times), key=lambda mark: mark.index)
        self._latest |= {mark.moment: mark for mark in marks}
        return tuple(marks)

    def _new_marks(self, found: Extrema, times: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[CycleMark]:
        """Return the moments that are new, and certain because the curve has turned since."""
        if self._is_lumen:
            moments = ((END_DIASTOLE, found.feet_s), (PEAK_SYSTOLE, found.tops_s))
        else:
            moments = ((END_DIASTOLE, found.tops_s), (END_SYSTOLE, found.lows_s))
        marks = []
        for moment, all_s in moments:
            last_s = self._latest[moment].seconds if moment in self._latest else -np.inf
            for at_s in all_s:
                if at_s > last_s + _APART * found.period_s and at_s <= times[-1] - _TURNED * found.period_s:
                    index, seconds, value = self._samples[nearest_sample(times, at_s)]
                    marks.append(CycleMark(moment, index, seconds, value))
                    last_s = at_s
                    if moment == END_DIASTOLE:
                        self._starts.append(at_s)
        return marks

    def _heart_rate(self, seconds: float) -> float | None:
        beats_s = np.diff(self._starts)
        if len(beats_s) < _MIN_BEATS or seconds - self._starts[-1] > _STALE * self._period_s:
            return None
        return heart_rate_of(beats_s)

    def _phase(self, seconds: float) -> float | None:
        if not self._starts or not self._period_s:
            return None
        beats = (seconds - self._starts[-1]) / self._period_s
        return float(beats % 1.0) if beats < _OVERDUE else None
