"""Collects masks of one bit a pixel on disk."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rtseg.frame import Mask
from rtseg.sinks.dicom.digested_spool import DigestedSpool
from rtseg.sinks.dicom.frame_spool import encapsulated, item

NATIVE, ENCAPSULATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.98"
_MOST_NATIVE = 0xFFFFFFFE  # bytes of an element with a length
_FRAMES = 64  # that are joined at a time, of a multiple of 8 bits


class BitSpool(DigestedSpool):
    """Packs masks of one shape, eight pixels a byte, the first in the lowest bit (DICOM PS3.5, 8.1.1 and annex D).

    In an object, frames follow one another without a gap up to 4 GiB; more than that are encapsulated and not compressed
    (PS3.5, A.4.11), since run lengths are not defined for bits.
    """

    def __init__(self, folder: Path, most_native: int = _MOST_NATIVE) -> None:
        super().__init__(folder)
        self._pixels, self._most_native = 0, most_native

    @property
    def syntax(self) -> str:
        """Return the UID of the transfer syntax."""
        return NATIVE if self._native_bytes <= self._most_native else ENCAPSULATED

    @property
    def _native_bytes(self) -> int:
        return (self.count * self._pixels + 15) // 16 * 2

    def add(self, mask: Mask) -> None:
        """Add a mask (H, W). Raises OSError where the disk is full; it is then left out."""
        packed = np.packbits(mask.ravel(), bitorder="little").tobytes()
        self._pixels = mask.size
        self._file.append(packed)
        self._digest.update(packed)
        self.count += 1

    def pixel_data(self) -> Iterator[bytes]:
        """Yield the element Pixel Data in parts."""
        if self.syntax == ENCAPSULATED:
            yield from encapsulated(self._fragments())
            return
        yield b"\xe0\x7f\x10\x00OB\x00\x00" + struct.pack("<I", self._native_bytes)
        length = 0
        for part in self._file.parts() if self._pixels % 8 == 0 else self._joined():
            length += len(part)
            yield part
        yield bytes(self._native_bytes - length)

    def _frame(self, number: int) -> bytes:
        length = (self._pixels + 7) // 8
        return self._file.read(number * length, length)

    def _joined(self) -> Iterator[bytes]:
        """Yield the frames without the spare bits at the end of each."""
        for first in range(0, self.count, _FRAMES):
            frames = [np.frombuffer(self._frame(number), np.uint8) for number in range(first, min(first + _FRAMES, self.count))]
            bits = np.concatenate([np.unpackbits(frame, bitorder="little")[: self._pixels] for frame in frames])
            yield np.packbits(bits, bitorder="little").tobytes()

    def _fragments(self) -> Iterator[bytes]:
        for number in range(self.count):
            frame = self._frame(number)
            yield item(len(frame) + len(frame) % 2) + frame + bytes(len(frame) % 2)
