"""Measures the effect of speckle filters on image quality and on segmentation: `rtseg bench --speckle`."""

from rtseg.bench.speckle.filters import FILTERS
from rtseg.bench.speckle.pictures import SpeckleImage, annotated_frame, speckle_phantom
from rtseg.bench.speckle.segmented import FilterDice, compare_filters
from rtseg.bench.speckle.table import QualityRow, measure_quality

__all__ = [
    "FILTERS",
    "FilterDice",
    "QualityRow",
    "SpeckleImage",
    "annotated_frame",
    "compare_filters",
    "measure_quality",
    "speckle_phantom",
]
