"""Extends a frame's origin by the world axes of OpenIGTLink."""

from dataclasses import dataclass

from rtseg.frame import Origin
from rtseg.igtl.image import RAS


@dataclass(frozen=True, slots=True)
class IgtlOrigin(Origin):
    """Adds the world's axes to an origin, as the sender specifies them; the sink sends both on unchanged."""

    world: str = RAS  # RAS or LPS: the axes to which `matrix` leads
