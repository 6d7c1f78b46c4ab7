"""Converts stored DICOM pixels to displayed ones."""

from typing import Any

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Image
from rtseg.sources.files.dicom_header import numbers
from rtseg.sources.pixels.intensity import IntensityWindow, Pixels

PALETTE = "PALETTE COLOR"
_IDENTITY = IntensityWindow(0, 255)  # leaves 8-bit pixels unchanged


def display_window(header: Any) -> IntensityWindow | None:
    """Return the stored values that are black and white; None where more than 8 bits have no window.

    They are those of the first window (PS3.3, C.11.2.1.2), or the smallest and largest value of 8 bits. A sigmoid window is
    applied as a linear one; lookup tables for the window are ignored.
    """
    centre, width = (_first(header, f"Window{name}", 0.0) for name in ("Center", "Width"))
    if width < 1:
        return _stored_range(header) if int(header.BitsStored) <= 8 else None
    exact = header.get("VOILUTFunction", "LINEAR") != "LINEAR"
    black, white = (centre - width / 2, centre + width / 2) if exact else (centre - width / 2, centre + width / 2 - 1)
    slope, intercept = _first(header, "RescaleSlope", 1.0) or 1.0, _first(header, "RescaleIntercept", 0.0)
    return IntensityWindow((black - intercept) / slope, (white - intercept) / slope)


def to_display(pixels: Pixels, header: Any, window: IntensityWindow) -> Image:
    """Return a decoded frame in 8 bits, gray (H, W) or RGB (H, W, 3). Raises SourceError for what is no image."""
    if pixels.dtype.kind not in "iub" or pixels.ndim not in (2, 3):
        raise SourceError(f"the pixels are {pixels.dtype} of {pixels.shape}: that is no picture, give the B-mode series")
    if pixels.ndim == 3:
        bits = pixels.dtype.itemsize * 8 if header.PhotometricInterpretation == PALETTE else int(header.BitsStored)
        window = IntensityWindow(0, 2**bits - 1)
    image: Image = (
        pixels.astype(np.uint8, copy=False) if window == _IDENTITY and pixels.dtype == np.uint8 else window.apply(pixels)
    )
    return np.invert(image) if header.PhotometricInterpretation == "MONOCHROME1" else image


def _first(header: Any, name: str, default: float) -> float:
    """Return the first number of an element."""
    return next(iter(numbers(header.get(name))), default)


def _stored_range(header: Any) -> IntensityWindow:
    """Return the range of values that the header's bits can store."""
    bits = int(header.BitsStored)
    signed = int(header.PixelRepresentation)
    return IntensityWindow(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else IntensityWindow(0, 2**bits - 1)
