"""Define the result that a pipeline yields for each frame."""

from dataclasses import dataclass, replace

from rtseg.frame import Frame, Segmentation
from rtseg.trace import LatencyTrace


@dataclass(frozen=True, slots=True)
class Redaction:
    """States how the frames of a stream are redacted, up to one of them."""

    mode: str
    """In force: "auto", "strict" or "off"."""
    sector: str
    """What is known about the sector of the frame: "known", "stated" by the user or the source, or "unknown"."""
    withheld: int
    """Number of frames so far of whose ultrasound nothing was shown."""
    exposed: int
    """Number of frames so far that went out with what surrounds the sector."""
    is_withheld: bool = False
    """Whether nothing of this frame's ultrasound is shown."""

    def after(self, before: "Redaction | None") -> "Redaction":
        """Return the same with the counts of an earlier run added."""
        if before is None:
            return self
        return replace(self, withheld=self.withheld + before.withheld, exposed=self.exposed + before.exposed)

    def to_json(self) -> dict[str, str | int]:
        """Return the mode, the sector and the counts as plain values."""
        return {"mode": self.mode, "sector": self.sector, "withheld": self.withheld, "exposed": self.exposed}


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
    redaction: Redaction | None = None
    """How the frame was redacted; None without a pipeline."""

    @property
    def is_late(self) -> bool:
        """Return whether the frame is so old that the anatomy may have moved on."""
        return self.max_age_ns is not None and self.trace.total_ns > self.max_age_ns
