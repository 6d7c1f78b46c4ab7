"""What a pipeline gives for each frame."""

from dataclasses import dataclass

from rtseg.frame import Frame, Segmentation
from rtseg.trace import LatencyTrace


@dataclass(frozen=True, slots=True)
class Result:
    """A frame, its segmentation, how long that took, and how many frames were dropped before it since the last result."""

    frame: Frame
    segmentation: Segmentation
    trace: LatencyTrace
    dropped: int = 0
