"""Search the newest pictures of a stream for letters and marks: a network for lines of text, and strokes for single ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol, TypeAlias

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.session.redaction.strokes import (
    find_lone_marks,
    find_strokes,
    find_strokes_on_ground,
    summarize,
    widen_over_ground,
)
from rtseg.session.sector.evidence import BinaryImage

_MAX_HEIGHT = 1120  # pixels; a larger picture is searched for strokes on a smaller scale
_NEAR_SHARE = 0.04  # of the height: what stands this near a line of text belongs to it


class LineDetector(Protocol):
    """Finds lines of text."""

    def detect(self, image: Image) -> BinaryImage:
        """Return a mask (H, W) uint8 of a picture, 255 on lines of text, else 0. Raises EngineError."""


DetectorLoader: TypeAlias = Callable[[], LineDetector]


@dataclass(frozen=True, slots=True)
class SearchExtent:
    """Holds how much a search looks for."""

    on_ground: bool = True
    """Whether all strokes on flat ground count as letters, or those beside a line of text only: a vessel is flat too."""
    thorough: bool = False
    """Whether white strokes of a single frame count too, at the price of some bright echoes."""


EVERYWHERE = SearchExtent()


class TextSearch:
    """Finds the letters and marks of a screen. load: loads the detector of lines of text, at the first search."""

    def __init__(self, load: DetectorLoader) -> None:
        self._load = load
        self._detector: LineDetector | None = None

    def find(self, pictures: Sequence[Image], extent: SearchExtent) -> BinaryImage:
        """Return the letters in the newest pictures of a stream, (H, W) uint8, 255 on letters with a margin, else 0.

        pictures: of one shape, the newest last. Whatever goes wrong is raised: RtsegError and the errors of libraries.
        """
        if self._detector is None:
            self._detector = self._load()
        recent = summarize(pictures)
        found = self._detector.detect(recent.newest)
        if recent.spread is not None:
            still = self._detector.detect(recent.mean)  # letters over living tissue
            found = np.asarray(cv2.bitwise_or(found, still), np.uint8)
        strokes, on_ground = _find_strokes(pictures, extent)
        if not extent.on_ground:
            side = 2 * round(_NEAR_SHARE * recent.newest.shape[0]) + 1
            on_ground = np.asarray(cv2.bitwise_and(on_ground, cv2.dilate(found, np.ones((side, side), np.uint8))), np.uint8)
        if extent.on_ground:
            found = widen_over_ground(found, recent)  # lines only: strokes are found in dim tissue too
        return np.asarray(cv2.bitwise_or(cv2.bitwise_or(found, strokes), on_ground), np.uint8)


def _find_strokes(pictures: Sequence[Image], extent: SearchExtent) -> tuple[BinaryImage, BinaryImage]:
    """Return the strokes anywhere, and those on flat ground."""
    height, width = pictures[-1].shape[:2]
    scale = min(1.0, _MAX_HEIGHT / height)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pictures = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8) for one in pictures]
    recent = summarize(pictures)
    strokes = np.asarray(cv2.bitwise_or(find_strokes(recent, thorough=extent.thorough), find_lone_marks(recent)), np.uint8)
    on_ground = find_strokes_on_ground(recent)
    if scale < 1:
        strokes, on_ground = (_enlarged(one, height, width) for one in (strokes, on_ground))
    return strokes, on_ground


def _enlarged(mask: BinaryImage, height: int, width: int) -> BinaryImage:
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


@cache
def shared_detector(threads: int) -> LineDetector:
    """Load the detector of lines of text once for the process. Raises ModelError, EngineError."""
    from rtseg.engines.text_detection.detector import TextDetector  # OpenVINO is loaded only where a screen is judged

    return TextDetector(threads)
