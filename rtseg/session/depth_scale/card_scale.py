"""Read the depth scale for a scanner card, from the newest frames of a stream."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from rtseg.frame import Image
from rtseg.session.depth_scale.reading import ScaleReader, ScaleRefusal
from rtseg.session.sector.scanner_card import CardScale
from rtseg.session.sector.shape import Sector

SCALE_FRAMES = 6  # frames whose mean is read: what moves fades, and marks stay


def read_scale(pictures: Sequence[Image], sector: Sector) -> CardScale:
    """Return what the scale beside a sector says, or why it is not read. pictures: of one shape, one or more."""
    if sector.knowledge != "known":
        return CardScale(provenance="not read: the sector is not known")
    same = [picture for picture in pictures if picture.shape == pictures[-1].shape]
    mean = np.asarray(np.mean(same, axis=0, dtype=np.float32).round(), np.uint8)
    found = _shared_reader().read(mean, sector)
    if isinstance(found, ScaleRefusal):
        return CardScale(provenance=f"not read: {found.reason}")
    ticks, unit = found.ticks, "centimeters" if found.unit_mm > 1 else "millimeters"
    words = f"{len(ticks.rows)} ticks and {len(found.numbers)} numbers in {unit}"
    places = ticks.left, ticks.right, ticks.first, ticks.spacing, round((ticks.last - ticks.first) / ticks.spacing) + 1
    return CardScale(found.mm_per_pixel, words, places)


@cache
def _shared_reader() -> ScaleReader:
    """Load the reader once for the process. Raises ModelError, EngineError."""
    return ScaleReader()
