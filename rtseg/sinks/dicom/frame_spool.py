"""Collects the coded frames of an object on disk, so that memory stays flat."""

import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtseg.sinks.dicom.run_length import RunLengthCoder
from rtseg.sinks.dicom.unnamed_file import UnnamedFile

RLE_LOSSLESS = "1.2.840.10008.1.2.5"
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
_PIXEL_DATA = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"


class FrameSpool:
    """Codes frames (H, W) or (H, W, 3) uint8 of one shape with the run lengths of DICOM, without loss.

    DICOM PS3.5, annex G (RLE) and A.4 (encapsulation). folder: on whose disk they lie. count: frames so far.
    """

    def __init__(self, folder: Path) -> None:
        self._file, self.count, self._digest = UnnamedFile(folder), 0, sha256()
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

    def checkpoint(self) -> Callable[[], None]:
        """Return what drops the frames that are added from now on."""
        before = self._file.size, self.count, self._digest.copy()

        def revert() -> None:
            size, self.count, self._digest = before
            self._file.cut(size)

        return revert

    def digest(self) -> bytes:
        """Return the SHA-256 of all pixels so far."""
        return self._digest.digest()

    def pixel_data(self) -> Iterator[bytes]:
        """Yield the element Pixel Data, encapsulated, in parts of a megabyte."""
        yield from encapsulated(self._file.parts())

    def close(self) -> None:
        """Delete the frames."""
        self._file.close()


def item(length: int) -> bytes:
    """Return the tag and the length of an item."""
    return _ITEM + struct.pack("<I", length)


def encapsulated(items: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the element Pixel Data with these coded items, after an empty offset table."""
    yield _PIXEL_DATA + item(0)
    yield from items
    yield _END
