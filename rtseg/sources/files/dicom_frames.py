"""Turn the stored frames of a DICOM file into images: bits, colors, palette and gray levels as the data prove them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Image
from rtseg.sources.files.coded_values import StoredBits, stored_bits
from rtseg.sources.files.dicom_color import RETIRED_MODELS, color_model, to_rgb
from rtseg.sources.files.dicom_display import GrayTransform, differs_by_frame, needs_range
from rtseg.sources.files.dicom_file import DicomFile
from rtseg.sources.files.dicom_header import integer
from rtseg.sources.files.dicom_native import NativeFrames
from rtseg.sources.files.dicom_palette import Palette
from rtseg.sources.pixels.intensity import IntensityWindow, Pixels, full_range_window

PALETTE = "PALETTE COLOR"
_SAMPLE = 3  # frames that are looked at


class StoredFrames(Protocol):
    """Declares a file's frames as they are stored."""

    count: int
    """How many frames the file states, or has if it states fewer."""
    readable: int
    """How many frames there are."""
    model: str
    """Color model by the frames' own markers; "" where they do not say."""
    is_signed: bool | None
    """Whether the frames' own coding has signed values; None where it does not say."""
    note: str
    """What is wrong with the header's description of the frames; "" for nothing."""

    @property
    def damage(self) -> str:
        """Return why the frame that was read last is not to be trusted; "" where nothing is known against it."""

    def read(self, index: int) -> Pixels:
        """Return a frame's words, (H, W) or (H, W, 3). Raises ValueError."""


class FrameConverter:
    """Converts the stored frames of one file to images.

    Raises SourceError for pixels that are no image, and ValueError for a palette that is missing.
    """

    def __init__(self, dicom: DicomFile, frames: StoredFrames) -> None:
        self._header, self._frames = dicom.header, frames
        photometric = str(dicom.header.get("PhotometricInterpretation") or "")
        self.notes = [frames.note]
        """What is wrong with the header, each in words about the file; "" for nothing."""
        sample = _sampled(frames)
        self._is_color = bool(sample) and sample[0].ndim == 3
        if isinstance(frames, NativeFrames):
            stored = integer(self._header, "BitsStored", 8)
            found = [frames.settle_order(sample), frames.settle_byte_order(sample, stored)]
            self.notes += found
            sample = _sampled(frames) if any(found) else sample
        self._bits = self._stored_bits(sample)
        self._model, self._palette = "", None
        if self._is_color and photometric in RETIRED_MODELS:
            raise SourceError(f"the colors are {photometric}, which DICOM has retired: convert the file to RGB")
        if self._is_color:
            levels = [self._full_range(self._bits.values(one)) for one in sample]
            self._model, note = color_model(levels, photometric, frames.model)
            self.notes.append(note)
        elif photometric == PALETTE:
            self._palette = Palette(self._header, is_little_endian=dicom.syntax.is_little_endian)
        self._gray: GrayTransform | None = None
        self._found: IntensityWindow | None = None

    def image(self, index: int) -> Image:
        """Return a frame in 8 bits, gray (H, W) or RGB (H, W, 3). Raises ValueError for one that cannot be read."""
        values = self._bits.values(self._frames.read(index))
        if (values.ndim == 3) != self._is_color:
            raise ValueError("its frames are gray and colored by turns")
        if self._is_color:
            rgb = to_rgb(self._full_range(values), self._model)
            return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)
        return self._transform(index).apply(values) if self._palette is None else self._palette.apply(values)

    def _stored_bits(self, sample: Sequence[Pixels]) -> StoredBits:
        """Return where the values lie in the words. sample: words of some frames."""
        width = 8 * sample[0].dtype.itemsize if sample else 8
        declared = integer(self._header, "BitsStored", width), integer(self._header, "HighBit", width - 1)
        signed = integer(self._header, "PixelRepresentation") == 1
        bits, note = stored_bits(sample, *declared, is_signed=signed, coded_signed=self._frames.is_signed)
        self.notes.append(note)
        return bits

    def _transform(self, index: int) -> GrayTransform:
        """Return the gray levels of a frame; made once unless frames have levels of their own."""
        if self._gray is None or differs_by_frame(self._header):
            if self._found is None and needs_range(self._header, self._bits):
                self._found = full_range_window(self._bits.values(words) for words in _readable(self._frames))
            self._gray = GrayTransform(self._header, self._bits, index, self._found)
        return self._gray

    def _full_range(self, values: Pixels) -> Pixels:
        """Return components whose greatest value is that of their 8 or 16 bits."""
        bits, width = self._bits, 8 * values.dtype.itemsize
        if width > 16:
            raise SourceError(f"the pixels have colors of {width} bits: that is no picture, give the B-mode series")
        if bits.stored == width and not bits.is_signed:
            return values
        exact = values.astype(np.float32) - bits.least
        scaled: Pixels = np.rint(exact * (((1 << width) - 1) / (bits.greatest - bits.least))).astype(f"u{width // 8}")
        return scaled


def _sampled(frames: StoredFrames) -> list[Pixels]:
    """Return the words of some frames: of the first one alone where frames must be decoded."""
    count = frames.readable if isinstance(frames, NativeFrames) else min(frames.readable, 1)
    words = list[Pixels]()
    for index in dict.fromkeys(count * part // _SAMPLE for part in range(_SAMPLE) if count):
        with suppress(ValueError):
            words.append(frames.read(index))
    return words


def _readable(frames: StoredFrames) -> Iterator[Pixels]:
    """Yield each frame's words up to the first that cannot be read."""
    with suppress(ValueError):
        for index in range(frames.readable):
            yield frames.read(index)
