"""Memory has a life: what each frame means for the memory of the frames before it."""

from dataclasses import dataclass

from rtseg.frame import Frame, Life


@dataclass(frozen=True, slots=True)
class LifecycleLimits:
    """When a stream is no longer the same stream.

    gap_frames: more frames lost in a row than this make the memory stale.
    """

    gap_frames: int = 15


class Lifecycle:
    """Decides for each frame whether the memory goes on or starts afresh, and says why."""

    def __init__(self, limits: LifecycleLimits | None = None) -> None:
        self._limits = limits or LifecycleLimits()
        self._last: Frame | None = None

    def observe(self, frame: Frame) -> tuple[Life, str]:
        """What `frame` is, seen after the frames before it, with the reason in words."""
        last, self._last = self._last, frame
        if last is None:
            return Life.NEW, "first frame"
        if (frame.height, frame.width) != (last.height, last.width):
            return Life.NEW, f"size changed from {last.width}x{last.height} to {frame.width}x{frame.height}"
        lost = frame.index - last.index - 1
        if lost > self._limits.gap_frames:
            return Life.GAP, f"{lost} frames lost"
        if lost < 0:
            return Life.NEW, f"frame {frame.index} came after {last.index}: the source began again"
        return Life.LIVE, ""

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._last = None
