"""How a session segments, as it was set when a frame came."""

from dataclasses import dataclass

from rtseg.sector import Locator
from rtseg.speckle import SpeckleFilter
from rtseg.temporal import TemporalOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """What a frame is segmented with: a session's settings as they were when it came."""

    threshold: float
    temporal: TemporalOptions | None
    speckle: SpeckleFilter | None
    memory: bool
    locator: Locator
    uncertainty: bool
