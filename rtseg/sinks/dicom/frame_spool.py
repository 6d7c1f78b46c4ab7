"""Collects the coded frames of an object on disk, so that memory stays flat."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtseg.sinks.dicom.digested_spool import DigestedSpool
from rtseg.sinks.dicom.run_length import RunLengthCoder

RLE_LOSSLESS = "1.2.840.10008.1.2.5"
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
_PIXEL_DATA = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"


class FrameSpool(DigestedSpool):
    """Codes frames (H, W) or (H, W, 3) uint8 of one shape with the run lengths of DICOM, without loss.

    DICOM PS3.5, annex G (RLE) and A.4 (encapsulation).
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._coder: RunLengthCoder | None = None

    @property
    def syntax(self) -> str:
        """Return the UID of the transfer syntax."""
        return RLE_LOSSLESS

    def add(self, frame: npt.NDArray[np.uint8], *, is_kept: bool = True) -> None:
        """Add a frame, or only its pixels to the digest. Raises OSError where the disk is full; the frame is then left out."""
        frame = np.ascontiguousarray(frame)
        if is_kept:
            self._coder = self._coder or RunLengthCoder(frame.shape)
            coded = self._coder.code(frame)
            self._file.append(item(len(coded)), coded)
            self.count += 1
        self._digest.update(frame.data)

    def pixel_data(self) -> Iterator[bytes]:
        """Yield the element Pixel Data, encapsulated, in parts of a megabyte."""
        yield from encapsulated(self._file.parts())


def item(length: int) -> bytes:
    """Return the tag and the length of an item."""
    return _ITEM + struct.pack("<I", length)


def encapsulated(items: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the element Pixel Data with these coded items, after an empty offset table."""
    yield _PIXEL_DATA + item(0)
    yield from items
    yield _END
