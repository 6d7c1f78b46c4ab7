"""Collects coded frames in a file without a name, so that memory stays flat and a killed process leaves nothing."""

import struct
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0" + bytes(4)
_PIXEL_DATA = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"
_PART = 1 << 20


class FrameSpool:
    """Codes frames (H, W) or (H, W, 3) uint8 with the run lengths of DICOM, without loss.

    DICOM PS3.5, annex G (RLE) and A.4 (encapsulation). folder: where the unnamed file lies. count: frames so far.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by `close`
        self.count, self._digest = 0, sha256()

    def add(self, frame: npt.NDArray[np.uint8], *, is_kept: bool = True) -> None:
        """Add a frame, or only its pixels to the digest. Raises OSError where the disk is full."""
        from rtseg.sources.files.dicom_codec import RLELosslessEncoder

        frame = np.ascontiguousarray(frame)
        self._digest.update(frame.data)
        if not is_kept:
            return
        samples = 3 if frame.ndim == 3 else 1
        coded = RLELosslessEncoder.encode(
            frame,
            rows=frame.shape[0],
            columns=frame.shape[1],
            samples_per_pixel=samples,
            bits_allocated=8,
            bits_stored=8,
            pixel_representation=0,
            photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
            number_of_frames=1,
            planar_configuration=0,
        )
        coded += b"\0" * (len(coded) % 2)
        self._file.write(_ITEM + struct.pack("<I", len(coded)) + coded)
        self.count += 1

    def digest(self) -> bytes:
        """Return the SHA-256 of all pixels so far."""
        return self._digest.digest()

    def pixel_data(self) -> Iterator[bytes]:
        """Yield the element Pixel Data, encapsulated, in parts of a megabyte."""
        yield _PIXEL_DATA + _ITEM + bytes(4)
        self._file.seek(0)
        while part := self._file.read(_PART):
            yield part
        yield _END

    def close(self) -> None:
        """Delete the frames."""
        self._file.close()
