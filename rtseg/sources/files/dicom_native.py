"""Read frames that a DICOM file stores plain, by the layout that their number of bytes proves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from rtseg.sources.files.coded_values import is_other_byte_order
from rtseg.sources.files.dicom_color import are_by_color, is_planar
from rtseg.sources.files.dicom_file import DicomFile
from rtseg.sources.files.dicom_header import integer
from rtseg.sources.pixels.intensity import Pixels

_COLOR = ("RGB", "YBR_")  # starts of photometric interpretations with three components
_ROUGHER = 1.3  # ratio of roughness that decides between two byte orders of which one does not fit the header
_BITS = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class NativeLayout:
    """Describes the bytes of a frame."""

    height: int  # in pixels
    width: int  # in pixels
    samples: int  # of a pixel: 1 or 3
    sample_bytes: int  # of a sample
    is_little_endian: bool  # order of the bytes of a sample
    is_planar: bool = False  # whether the components come one plane after the other
    is_subsampled: bool = False  # whether two pixels share their chroma, as in YBR_FULL_422

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of a frame."""
        if self.is_subsampled:
            return self.height * -(-self.width // 2) * 4 * self.sample_bytes
        return self.height * self.width * self.samples * self.sample_bytes

    def words(self, data: bytes) -> Pixels:
        """Return the words of a frame, (H, W) or (H, W, 3)."""
        order = "<" if self.is_little_endian else ">"
        flat = np.frombuffer(data, np.dtype(f"{order}u{self.sample_bytes}"))
        if self.is_subsampled:
            pairs = flat.reshape(self.height, -1, 4)  # luma, luma, blue, red: PS3.3, C.7.6.3.1.2
            luma = pairs[..., :2].reshape(self.height, -1)
            chroma = [pairs[..., place].repeat(2, axis=1) for place in (2, 3)]
            return np.stack([luma, *chroma], axis=-1)[:, : self.width]
        if self.samples == 1:
            return flat.reshape(self.height, self.width)
        if self.is_planar:
            return flat.reshape(self.samples, self.height, self.width).transpose(1, 2, 0)
        return flat.reshape(self.height, self.width, self.samples)


def native_layout(header: Any, length: int, stated: int, *, is_little_endian: bool) -> tuple[NativeLayout, str]:
    """Return the layout of a file's frames, and words where its length contradicts the header.

    length: of the pixel data in bytes. stated: the number of frames in the header, 0 where there is none. Raises ValueError.
    """
    photometric = str(header.get("PhotometricInterpretation") or "")
    samples, allocated = integer(header, "SamplesPerPixel", 1), integer(header, "BitsAllocated", 8)
    if samples not in (1, 3) or allocated not in _BITS:
        raise ValueError(f"{samples} samples of {allocated} bits a pixel cannot be decoded")
    is_color = photometric.startswith(_COLOR)
    declared = NativeLayout(
        integer(header, "Rows"),
        integer(header, "Columns"),
        samples,
        allocated // 8,
        is_little_endian,
        samples == 3 and integer(header, "PlanarConfiguration") == 1,
        samples == 3 and photometric.endswith("_422"),
    )
    others = [replace(declared, samples=count, is_subsampled=half) for count, half in ((3, False), (3, True), (1, False))]
    others = others if is_color else []
    if samples == 1 and (allocated == 16 or integer(header, "BitsStored", allocated) > 8):
        others.append(replace(declared, sample_bytes=1 if allocated == 16 else 2))
    if stated and not _fits(declared, length, stated):
        for other in others:
            if _fits(other, length, stated):
                return other, "declares another layout of its pixels than its length proves: read by its length"
    return declared, ""


def _fits(layout: NativeLayout, length: int, frames: int) -> bool:
    whole = frames * layout.frame_bytes
    return whole <= length <= whole + whole % 2


def _has_low_bits(sample: Sequence[Pixels], stored: int) -> bool:
    """Return whether bits are set that values aligned to the top of their words leave free."""
    free = (1 << (8 * sample[0].dtype.itemsize - stored)) - 1
    return any(int(np.bitwise_or.reduce(one, axis=None)) & free for one in sample)


class NativeFrames:
    """Reads the plain frames of a file, in any order."""

    model = ""  # plain frames have no markers of their color
    is_signed: bool | None = None
    damage = ""  # nothing shows damage of plain pixels

    def __init__(self, dicom: DicomFile, data: BinaryIO, stated: int) -> None:
        assert dicom.length is not None
        self._dicom, self._data = dicom, data
        there = max(0, data.seek(0, 2) - dicom.offset)
        self.layout, self.note = native_layout(
            dicom.header, dicom.length, stated, is_little_endian=dicom.syntax.is_little_endian
        )
        if dicom.syntax.is_encapsulated and not (stated and _fits(self.layout, dicom.length, stated)):
            raise ValueError("its coded pixel data lack fragments")
        coded = (min(dicom.length, there) if stated else dicom.length) // self.layout.frame_bytes
        self.count = max(stated, coded)
        # Big endian words of 16 bits hold two pixels of 8.
        self._is_swapped = dicom.is_word and not dicom.syntax.is_little_endian and self.layout.sample_bytes == 1
        self._is_by_color = False  # whether the color planes of all frames stand together
        self.readable = min(dicom.length, there) // self.layout.frame_bytes

    def settle_order(self, sample: Sequence[Pixels]) -> str:
        """Read components plane by plane or pixel by pixel, as frames prove it.

        Return words where the header is contradicted.
        """
        if self.layout.samples == 1 or self.layout.is_subsampled:
            return ""
        planar, note = is_planar(sample, declared=self.layout.is_planar)
        self.layout = replace(self.layout, is_planar=planar)
        is_whole = self.count == self.readable and not self._is_swapped
        self._is_by_color = planar and is_whole and self.count > 1 and are_by_color(self._plane, self.count)
        if self._is_by_color:
            note = "stores the red planes of all frames in front of the green and the blue ones: read so"
        return note

    def _plane_bytes(self, number: int) -> bytes:
        size = self.layout.frame_bytes // self.layout.samples
        self._data.seek(self._dicom.offset + number * size)
        return self._data.read(size)

    def _plane(self, number: int) -> Pixels:
        return np.frombuffer(self._plane_bytes(number), f"u{self.layout.sample_bytes}")

    def settle_byte_order(self, sample: Sequence[Pixels], stored: int) -> str:
        """Read words in the byte order that frames prove; return words where the transfer syntax is contradicted.

        stored: the bits of a value by the header. The other order must make frames smooth, and leave no bit above these.
        """
        if any(int(one.byteswap().max()) >> stored for one in sample):
            return ""
        has_bits_above = any(int(one.max()) >> stored for one in sample)
        is_proven = has_bits_above and _has_low_bits(sample, stored)  # else the values may lie in the upper bits
        if not is_proven and (not sample or not is_other_byte_order(sample, *([_ROUGHER] if has_bits_above else []))):
            return ""
        self.layout = replace(self.layout, is_little_endian=not self.layout.is_little_endian)
        return "has pixels in another byte order than its transfer syntax: read in the order of the pixels"

    def read(self, index: int) -> Pixels:
        """Return the words of a frame. Raises ValueError where the data end before it."""
        size = self.layout.frame_bytes
        if index >= self.readable:
            raise ValueError("its pixel data end")
        if self._is_by_color:
            return self.layout.words(b"".join(self._plane_bytes(index + color * self.count) for color in range(3)))
        begin = index * size
        if self._is_swapped:
            begin, size = begin - begin % 2, size + begin % 2 + (size + begin) % 2
        self._data.seek(self._dicom.offset + begin)
        data = self._data.read(size)
        if self._is_swapped:
            data = (
                np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().tobytes()[index * self.layout.frame_bytes - begin :]
            )
        return self.layout.words(data[: self.layout.frame_bytes])
