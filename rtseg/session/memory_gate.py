"""Decide which frames are written to the network's memory."""

from rtseg.session.lifecycle import LifecycleLimits

_MEAN_WEIGHT = 0.1  # weight of the newest frame in the running mean


class MemoryGate:
    """Keeps frames out of the memory whose confidence is low against the running mean of this stream.

    is_open: admit every frame, for a network that decides itself what it remembers.
    """

    def __init__(self, limits: LifecycleLimits, *, is_open: bool = False) -> None:
        self._limits, self._is_open = limits, is_open
        self.forget()

    def forget(self) -> None:
        """Start the running mean anew with the next frame, which is always admitted."""
        self._mean_confidence, self._rejected = 0.0, 0

    def admits(self, confidence: tuple[float, ...]) -> bool:
        """Return whether a frame is written to the memory; confidence: of each class, 0 where the class is absent."""
        if self._is_open:
            return True
        highest, limits = max(confidence), self._limits
        if 0 < highest < limits.memory_confidence * self._mean_confidence and self._rejected < limits.gated_frames:
            self._rejected += 1
            return False
        self._rejected = 0
        if highest:
            self._mean_confidence += (highest - self._mean_confidence) * (_MEAN_WEIGHT if self._mean_confidence else 1)
        return True
