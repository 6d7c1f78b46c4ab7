"""Counts the seconds of a stream from its first frame."""

from rtseg.frame import Frame


class StreamTime:
    """Returns the time of each frame since the first one: that of the recording where there is one, else that of capture."""

    def __init__(self) -> None:
        self._first_ns: int | None = None

    def seconds(self, frame: Frame) -> float:
        """Return the seconds from the first frame, not below 0."""
        now_ns = frame.captured_ns if frame.presentation_ns is None else frame.presentation_ns
        if self._first_ns is None:
            self._first_ns = now_ns
        return max(0.0, (now_ns - self._first_ns) / 1e9)
