"""Counts the pictures of a stream, the lost ones included."""

from collections import deque
from statistics import median

_HISTORY = 15  # distances in time between pictures
_MAX_STEP = 1500  # pictures; a longer gap is a jump of the sender's clock
_MAX_DELAY = 32  # pictures that a decoder may hold, so that a gap comes out of it later than the loss went in


class PictureIndex:
    """Gives each picture its index in the stream: one more than the one before, and by its time where some are missing.

    period: from one picture to the next, in units of the pictures' times, as the stream states it; 0 where it does not.
    """

    def __init__(self, period: int) -> None:
        self._index, self._since_loss = -1, _MAX_DELAY + 1
        self._timed: tuple[int, int] | None = None  # time and index of the last picture that has a time
        self._distances = deque[int]([period] if period > 0 else [], maxlen=_HISTORY)

    @property
    def is_near_loss(self) -> bool:
        """Return whether a loss was so recent that its gap may still come out of the decoder."""
        return self._since_loss <= _MAX_DELAY

    def next(self, pts: int | None, *, is_lossy: bool) -> int:
        """Return the index of the next picture. is_lossy: whether there was a loss since the one before."""
        self._since_loss = 0 if is_lossy else self._since_loss + 1
        index = self._index + 1
        if pts is not None:
            index = max(index, self._index_by_time(pts, index))
            self._timed = pts, index
        self._index = index
        return index

    def _index_by_time(self, pts: int, following: int) -> int:
        """Return the index of a picture by its time where pictures may be missing before it, else `following`."""
        if self._timed is None:
            return following
        distance, base = pts - self._timed[0], self._timed[1]
        if not self.is_near_loss:
            if distance > 0:
                self._distances.append(distance)
            return following
        step = round(distance / median(self._distances)) if self._distances else 1
        return base + step if 1 <= step <= _MAX_STEP else following
