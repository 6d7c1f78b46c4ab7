"""Grey levels of a recording whose pixels are not 8 bits: which of its values are black and white."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.sources.pixels.picture import NEUTRAL_WITHIN

Pixels: TypeAlias = npt.NDArray[Any]  # (H, W) or (H, W, 3), of any number


@dataclass(frozen=True, slots=True)
class Levels:
    """black becomes 0 and white 255, what lies between is linear, what lies outside is cut; what is no number is black."""

    black: float
    white: float

    def of(self, pixels: Pixels) -> Image:
        """The pixels in 8 bits."""
        exact: npt.NDArray[np.floating[Any]] = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
        with np.errstate(all="ignore"):  # infinite and missing values are meant to pass
            share = (exact - self.black) / ((self.white - self.black) or 1)
            levels: Image = np.rint(np.clip(np.nan_to_num(share, nan=0.0), 0, 1) * 255).astype(np.uint8)
        return levels


def levels_between(pictures: Iterable[Pixels]) -> Levels:
    """From the least to the greatest finite value in all of `pictures`; black alone where there is none."""
    black, white = np.inf, -np.inf
    for pixels in pictures:
        finite = pixels if pixels.dtype.kind in "iub" else pixels[np.isfinite(pixels)]
        if finite.size:
            black, white = min(black, float(finite.min())), max(white, float(finite.max()))
    return Levels(black, white) if black <= white else Levels(0, 1)


class GreyUntilColour:
    """Gives a stream's RGB pictures as grey until one has colour, and as RGB from there on.

    A coder leaves traces of colour on what was grey: the channels may differ by the levels of `NEUTRAL_WITHIN`.
    """

    def __init__(self) -> None:
        self._coloured = False

    def of(self, picture: Image) -> Image:
        """(H, W) or (H, W, 3) of a picture (H, W) or (H, W, 3)."""
        if picture.ndim == 2:
            return picture
        green = picture[..., 1]
        self._coloured = self._coloured or any(cv2.absdiff(picture[..., side], green).max() > NEUTRAL_WITHIN for side in (0, 2))
        return picture if self._coloured else np.ascontiguousarray(green)
