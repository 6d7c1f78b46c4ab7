"""What speckle filtering is worth: the pictures' quality, and the segmentation's, with and without: `rtseg bench --speckle`."""

from rtseg.speckle_bench.filters import FILTERS
from rtseg.speckle_bench.pictures import Picture, phantom, real
from rtseg.speckle_bench.segmented import Overlaps, overlaps
from rtseg.speckle_bench.table import QualityRow, qualities

__all__ = ["FILTERS", "Overlaps", "Picture", "QualityRow", "overlaps", "phantom", "qualities", "real"]
