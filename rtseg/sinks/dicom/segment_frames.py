"""Collects the frames of a segmentation object: label maps, masks of one class each, or probabilities of one class each."""

from array import array
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

import numpy as np

from rtseg.frame import Labels, Mask
from rtseg.probability_planes import ProbabilityPlanes
from rtseg.sinks.dicom.bit_spool import BitSpool
from rtseg.sinks.dicom.frame_spool import FrameSpool
from rtseg.sinks.dicom.probability_map import probability_map


class SegmentationType(str, Enum):
    """Names how a segmentation object holds its masks (DICOM PS3.3, C.8.20.2.3)."""

    LABELMAP = "labelmap"  # one frame for each picture; a pixel is the number of its class
    BINARY = "binary"  # one frame for each class in a picture, one bit a pixel
    FRACTIONAL = "fractional"  # one frame for each class in a picture; a pixel is its probability


class SegmentFrames:
    """Spools the frames of one segmentation object.

    Frames of a class that is nowhere in a picture are left out, but for label maps.

    segments, numbers: for each frame the number of its class, 0 for a label map, and that of the picture, both from 1. unknown:
    pictures whose probabilities are not known.
    """

    def __init__(self, kind: SegmentationType, folder: Path) -> None:
        self.kind, self.unknown = kind, 0
        self.spool: FrameSpool | BitSpool = BitSpool(folder) if kind is SegmentationType.BINARY else FrameSpool(folder)
        self.segments, self.numbers = array("B"), array("L")

    def add(self, number: int, labels: Labels, segments: Sequence[int], planes: ProbabilityPlanes | None) -> None:
        """Add the frames of a picture.

        number: of the picture, from 1. labels: (H, W), by the numbers of the segments. segments: the number of each class of
        `planes`. planes: the probabilities of its network; None: unknown. Raises OSError; then nothing is to be added any more
        before `checkpoint` has dropped the rest.
        """
        if self.kind is SegmentationType.LABELMAP:
            self._add(labels, 0, number)
        elif self.kind is SegmentationType.BINARY:
            for found in np.flatnonzero(np.bincount(labels.ravel(), minlength=2)[1:]).tolist():
                self._add(np.equal(labels, found + 1), found + 1, number)
        elif planes is None:
            self.unknown += 1
        else:
            for segment, shares in zip(segments, probability_map(planes, labels.shape), strict=True):
                if shares.any():
                    self._add(shares, segment, number)

    def _add(self, frame: Labels | Mask, segment: int, number: int) -> None:
        self.spool.add(frame)  # type: ignore[arg-type]  # of booleans where the spool is one of bits
        self.segments.append(segment)
        self.numbers.append(number)

    def complete(self, shape: tuple[int, int]) -> None:
        """Add an empty frame where there is none, since an object has at least one."""
        if not self.numbers:
            is_bits = self.kind is SegmentationType.BINARY
            self._add(np.zeros(shape, np.bool_ if is_bits else np.uint8), 1, 1)

    def checkpoint(self) -> Callable[[], None]:
        """Return what drops the frames that are added from now on."""
        revert, count = self.spool.checkpoint(), len(self.numbers)

        def revert_all() -> None:
            revert()
            del self.segments[count:], self.numbers[count:]

        return revert_all

    def digest(self) -> bytes:
        """Return what tells the masks apart from others."""
        return self.kind.value.encode() + self.spool.digest() + self.segments.tobytes() + self.numbers.tobytes()
