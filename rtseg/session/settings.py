"""Holds a snapshot of a session's settings, taken when a frame arrives."""

from dataclasses import dataclass

from rtseg.session.enhancement import ViewFilter
from rtseg.session.sector import Locator
from rtseg.session.stabilizer import TemporalOptions


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Holds the settings of a session with which one frame is segmented."""

    threshold: float
    """Probability threshold of networks with one class and one output."""
    temporal: TemporalOptions | None
    """Temporal stabilization; None: off."""
    speckle: ViewFilter | None
    """Filter before the network; None: off."""
    memory: bool
    """Whether the network's state is carried from frame to frame."""
    locator: Locator
    """Finds the ultrasound sector."""
    uncertainty: bool
    """Whether the border entropy of each class is computed."""
