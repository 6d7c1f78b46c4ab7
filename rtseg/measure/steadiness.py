"""Tells whether a value has been steady, as it is while a probe is held still."""

from collections import deque

import numpy as np

_STEADY_S = 0.3  # time for which a value must be steady
_STEADY_SHARE = 0.03  # of its median, within which a steady value stays
_SEEN_S = 0.2  # of that time between the first and the last value, so that frames after a gap do not count as steady
_MIN_VALUES = 3
_MAX_VALUES = 256  # in that time, so that memory is bounded at any frame rate


class SteadyWindow:
    """Holds the newest values of one measure."""

    def __init__(self) -> None:
        self._recent = deque[tuple[float, float]](maxlen=_MAX_VALUES)

    def clear(self) -> None:
        """Forget all values, as where one is withheld."""
        self._recent.clear()

    def add(self, time_s: float, value: float) -> bool:
        """Add a value; return whether all of the last 0.3 s are within 3 % of their median."""
        self._recent.append((time_s, value))
        recent = [(time, one) for time, one in self._recent if time > time_s - _STEADY_S - 1e-6]
        is_long = time_s - self._recent[0][0] >= _STEADY_S and time_s - recent[0][0] >= _SEEN_S
        if not is_long or len(recent) < _MIN_VALUES:
            return False
        middle = float(np.median([one for _, one in recent]))
        return max(abs(one - middle) for _, one in recent) <= _STEADY_SHARE * abs(middle)
