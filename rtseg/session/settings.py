"""How a session segments, as it was set when a frame came."""

from dataclasses import dataclass

from rtseg.session.sector import Locator
from rtseg.session.speckle import SpeckleFilter
from rtseg.session.stabilizer import TemporalOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """What a frame is segmented with: a session's settings as they were when it came."""

    threshold: float
    temporal: TemporalOptions | None
    speckle: SpeckleFilter | None
    memory: bool
    locator: Locator
    uncertainty: bool
