"""Maps the intensities of other than 8-bit recordings to gray levels."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.sources.pixels.picture import NEUTRAL_TOLERANCE

Pixels: TypeAlias = npt.NDArray[Any]  # (H, W) or (H, W, 3), of any number


@dataclass(frozen=True, slots=True)
class IntensityWindow:
    """Maps `black` to 0 and `white` to 255, linearly between; values outside are clipped, NaN is black."""

    black: float  # in units of the pixels
    white: float  # in units of the pixels

    def apply(self, pixels: Pixels) -> Image:
        """Return the pixels in 8 bits."""
        exact: npt.NDArray[np.floating[Any]] = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
        with np.errstate(all="ignore"):  # infinite and missing values are allowed
            share = (exact - self.black) / ((self.white - self.black) or 1)
            levels: Image = np.rint(np.clip(np.nan_to_num(share, nan=0.0), 0, 1) * 255).astype(np.uint8)
        return levels


def full_range_window(pictures: Iterable[Pixels]) -> IntensityWindow:
    """Return the window from the minimum to the maximum finite value of all `pictures`; (0, 1) where there is none."""
    black, white = np.inf, -np.inf
    for pixels in pictures:
        finite = pixels if pixels.dtype.kind in "iub" else pixels[np.isfinite(pixels)]
        if finite.size:
            black, white = min(black, float(finite.min())), max(white, float(finite.max()))
    return IntensityWindow(black, white) if black <= white else IntensityWindow(0, 1)


class ColorLatch:
    """Returns a stream's RGB images as gray until one has color, and as RGB from there on.

    A codec leaves traces of color on gray images: the channels may differ by `NEUTRAL_TOLERANCE` levels.
    """

    def __init__(self) -> None:
        self._has_color = False

    def apply(self, picture: Image) -> Image:
        """Return (H, W) or (H, W, 3) of an image (H, W) or (H, W, 3)."""
        if picture.ndim == 2:
            return picture
        green = picture[..., 1]
        self._has_color = self._has_color or any(
            cv2.absdiff(picture[..., side], green).max() > NEUTRAL_TOLERANCE for side in (0, 2)
        )
        return picture if self._has_color else np.ascontiguousarray(green)
