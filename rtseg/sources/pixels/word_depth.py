"""Decides how many of 16 bits the pictures of a film or series use, by looking at them, and says it once."""

from typing import Any

import numpy as np
import numpy.typing as npt
from av import VideoFrame

from rtseg.frame import Image
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)
_WORDS = 16  # bits of a sample
_DEPTHS = (8, 10, 12, 14)  # that are stored in 16 bits


def used_bits(top: int) -> int:
    """Return how many of 16 bits are used where `top` is the brightest level: 8, 10, 12, 14 or 16; 16 where all is black."""
    return next((bits for bits in _DEPTHS if 0 < top < 1 << bits), _WORDS)


def stores_words(picture: VideoFrame) -> bool:
    """Return whether a decoded picture has gray or RGB samples of 16 bits, which may hold fewer."""
    parts = picture.format.components
    return parts[0].bits == _WORDS and (len(parts) < 3 or picture.format.is_rgb)


class WordDepth:
    """Converts the pictures of a film to 8 bits, all in the way that the first one with any light decides."""

    def __init__(self) -> None:
        self._bits, self._is_clipped = 0, False  # 0: not decided yet

    def in_8_bits(self, picture: VideoFrame) -> Image | None:
        """Return a picture of 16-bit samples, gray (H, W) or RGB (H, W, 3); None where they use all bits."""
        if self._bits == _WORDS:
            return None
        words = picture.to_ndarray(format="rgb48le" if picture.format.is_rgb else "gray16le")
        top = int(words.max())
        if not self._bits and top:
            self._decide(top)
        if not 0 < self._bits < _WORDS:
            return None
        if top >> self._bits and not self._is_clipped:
            self._is_clipped = True
            _log.warning("a picture is brighter than the %d bits of those before it: its white is clipped", self._bits)
        return words_in_8_bits(words, self._bits)

    def _decide(self, top: int) -> None:
        self._bits = used_bits(top)
        if self._bits < _WORDS:
            _log.warning(
                "the film stores 16 bits a sample and uses %d of them (the brightest level of its first picture is %d): it is "
                "read as %d bits; convert it to 8 bits if that is wrong",
                self._bits,
                top,
                self._bits,
            )


def words_in_8_bits(words: npt.NDArray[Any], bits: int) -> Image:
    """Return samples of the range of 0 to 2^bits - 1 in 8 bits; those above are white."""
    return np.asarray(np.minimum(words >> (bits - 8), 255), np.uint8)
