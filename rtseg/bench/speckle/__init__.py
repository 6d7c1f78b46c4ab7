"""Measures the effect of speckle filters on image quality and on segmentation: `rtseg bench --speckle`."""

from rtseg.bench.speckle.filters import FILTERS
from rtseg.bench.speckle.pictures import Picture, phantom, real
from rtseg.bench.speckle.segmented import Overlaps, overlaps
from rtseg.bench.speckle.table import QualityRow, qualities

__all__ = ["FILTERS", "Overlaps", "Picture", "QualityRow", "overlaps", "phantom", "qualities", "real"]
