"""Decides how many of 16 bits a series of images uses, by looking at the data, and says it once."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Image
from rtseg.sources.files.picture_file import Pixels, decode_pictures, to_8_bits
from rtseg.sources.pixels.word_depth import used_bits
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_SAMPLES = 16  # images of a series that are looked at


class SeriesDepth:
    """Converts the images of a series to 8 bits, all in the same way, which the first image of 16 bits decides.

    where: the series, for messages. paths: of all its images.
    """

    def __init__(self, where: object, paths: Sequence[Path]) -> None:
        self._where, self._paths = where, paths
        self._bits, self._is_decided, self._is_clipped = 16, False, False

    def _decide(self, top: int) -> None:
        """Look at some images of the series; the brightest level tells how many of the 16 bits are used. top: one found."""
        self._is_decided = True
        top = max(top, *(int(pixels.max()) for pixels in _samples(self._paths) if pixels.dtype == np.uint16), 0)
        self._bits = used_bits(top)
        if self._bits < 16:
            _log.warning(
                "%s stores 16 bits a pixel and uses %d of them (its brightest level is %d): it is read as %d bits; "
                "save it as 8-bit PNG if that is wrong",
                self._where,
                self._bits,
                top,
                self._bits,
            )

    def to_8_bits(self, pixels: Pixels, path: Path) -> Image:
        """Return an image of the series in 8 bits. Raises SourceError for pixels whose white is unknown."""
        if pixels.dtype == np.uint16 and not self._is_decided:
            self._decide(int(pixels.max()))
        if self._bits < 16 and pixels.dtype == np.uint16 and not self._is_clipped and int(pixels.max()) >> self._bits:
            self._is_clipped = True
            _log.warning("%s is brighter than the %d bits of the images before: its white is clipped", path, self._bits)
        return to_8_bits(pixels, path, self._bits)


def _samples(paths: Sequence[Path]) -> Iterator[Pixels]:
    """Yield images from the whole length of a series, those of one file from its beginning."""
    for path in paths[:: max(1, len(paths) // _SAMPLES)]:
        try:
            yield from (picture.pixels for picture in islice(decode_pictures(path), max(1, _SAMPLES // len(paths))))
        except SourceError:
            continue  # it is left out when the series is read
