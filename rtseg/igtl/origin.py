"""Where an image that came over OpenIGTLink lies."""

from dataclasses import dataclass

from rtseg.frame import Origin
from rtseg.igtl.image import RAS


@dataclass(frozen=True, slots=True)
class IgtlOrigin(Origin):
    """An origin whose matrix leads to the axes of `world`, as the sender says: the sink sends both on as they are."""

    world: str = RAS
