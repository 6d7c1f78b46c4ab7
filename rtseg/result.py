"""Define the result that a pipeline yields for each frame."""

from dataclasses import dataclass

from rtseg.frame import Frame, Segmentation
from rtseg.trace import LatencyTrace


@dataclass(frozen=True, slots=True)
class Result:
    """Holds a frame with its segmentation."""

    frame: Frame
    """The frame, redacted unless the pipeline keeps the surroundings."""
    segmentation: Segmentation
    """The labels of the frame, with their confidence."""
    trace: LatencyTrace
    """Time of each stage, up to the last sink."""
    dropped: int = 0
    """Number of frames dropped since the last result."""
    wall_ns: int | None = None
    """Wall-clock time of capture in nanoseconds since 1970 (UTC); None where it is unknown."""
    max_age_ns: int | None = None
    """Age of the frame, from its capture, above which it is late; None where no frame is, as in a file."""

    @property
    def is_late(self) -> bool:
        """Return whether the frame is so old that the anatomy may have moved on."""
        return self.max_age_ns is not None and self.trace.total_ns > self.max_age_ns
