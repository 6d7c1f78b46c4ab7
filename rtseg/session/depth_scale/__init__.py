"""Read the millimeters per pixel from the ticks and numbers of a scanner's depth scale."""

from rtseg.session.depth_scale.reading import DepthScale, ScaleReader, ScaleRefusal

__all__ = ["DepthScale", "ScaleReader", "ScaleRefusal"]
