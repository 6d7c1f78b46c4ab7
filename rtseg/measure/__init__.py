"""Measure segmentations: regions, ellipses, and the biometry of the fetal head."""

from rtseg.measure.region import Measurement, measure

__all__ = ["Measurement", "measure"]
