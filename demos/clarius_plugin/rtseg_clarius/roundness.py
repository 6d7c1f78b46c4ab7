"""A measure: how close to a circle a mask is."""

import math

from rtseg.measure.measured_region import MeasuredRegion
from rtseg.measure.outline import perimeter, trace_outline
from rtseg.measure.quantity import Quantity


def roundness(region: MeasuredRegion) -> float | None:
    """Return 4 pi area / perimeter^2 of the largest region, 1 for a circle; None for a speck."""
    length = perimeter(trace_outline(region.largest), region.spacing_mm)
    area = float(region.largest.sum()) * region.spacing_mm[0] * region.spacing_mm[1]
    return 4 * math.pi * area / length**2 if length else None


ROUNDNESS = Quantity("roundness", "roundness", "", ((),), "4 pi area / perimeter^2 of the largest region", roundness)
