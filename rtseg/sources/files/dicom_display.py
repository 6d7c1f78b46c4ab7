"""Convert stored gray values of DICOM to displayed ones: the whole chain of PS3.4, N.2.

Modality (a table, or slope and intercept), values of interest (a table, or a window), and presentation (inverted or not).
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.sources.files.coded_values import StoredBits
from rtseg.sources.files.dicom_header import group_values, items, number, numbers
from rtseg.sources.pixels.intensity import IntensityWindow, Pixels

_Values = npt.NDArray[np.float64]
_USUAL_BITS = (8, 10, 12, 14, 16)  # of scanners and grabbers
_LEAST_SHARE = 0.25  # of the range of their bits that values must span, to be shown in this range
_FEWER = 4  # bits that a table's entries lack, from which its stated bits are not believed
_TABLE_BITS = 16  # values of up to so many bits are converted by a table


class GrayTransform:
    """Converts a frame's stored values to 8 bits.

    header: the file's. index: of the frame, for values that differ from frame to frame. found: the smallest and greatest value
    in the file, needed where `needs_range` is true.
    """

    def __init__(self, header: Any, bits: StoredBits, index: int = 0, found: IntensityWindow | None = None) -> None:
        self._modality = _modality(header, index)
        self._interest = _interest(group_values(header, index, "FrameVOILUTSequence"))
        self._bits = bits
        shape = str(header.get("PresentationLUTShape") or "")
        self._is_inverted = shape == "INVERSE" or header.get("PhotometricInterpretation") == "MONOCHROME1"
        if self._interest is None:
            self._interest = self._range(found)
        self._table: Image | None = None
        self._is_identity = False

    def apply(self, values: Pixels) -> Image:
        """Return values (H, W) in 8 bits."""
        if self._bits.stored > _TABLE_BITS:
            return self._levels(values.astype(np.float64))
        if self._table is None:
            self._table = self._levels(np.arange(self._bits.least, self._bits.greatest + 1, dtype=np.float64))
            self._is_identity = bool(np.array_equal(self._table, np.arange(256)))
        if values.dtype == np.uint8:
            return values if self._is_identity else np.asarray(cv2.LUT(values, self._whole_table()), np.uint8)
        return self._table[values] if not self._bits.is_signed else self._table[values.astype(np.int32) - self._bits.least]

    def _whole_table(self) -> Image:
        """Return the table with an entry for each value of 8 bits."""
        assert self._table is not None
        return np.resize(self._table, 256)

    def _levels(self, stored: _Values) -> Image:
        assert self._interest is not None
        share = np.clip(np.nan_to_num(self._interest(self._modality(stored))), 0, 1)
        levels: Image = np.rint(share * 255).astype(np.uint8)
        return np.invert(levels) if self._is_inverted else levels

    def _range(self, found: IntensityWindow | None) -> Callable[[_Values], _Values]:
        """Return the transform of values without a window: from the smallest to the greatest that they can be."""
        least, greatest = shown_range(self._bits, found)
        ends = self._modality(np.array([least, greatest], np.float64))
        return _linear(float(ends.min()), float(ends.max()))


def needs_range(header: Any, bits: StoredBits) -> bool:
    """Return whether the values of all frames must be known, because more than 8 bits have no window."""
    return bits.stored > 8 and _interest(group_values(header, 0, "FrameVOILUTSequence")) is None


def differs_by_frame(header: Any) -> bool:
    """Return whether frames may have transforms of their own."""
    return any(
        items(group, name)
        for group in items(header, "PerFrameFunctionalGroupsSequence")[:1]
        for name in ("FrameVOILUTSequence", "PixelValueTransformationSequence")
    )


def shown_range(bits: StoredBits, found: IntensityWindow | None) -> tuple[float, float]:
    """Return the values that are black and white where the file has no window.

    They are the limits of the bits that are in use, so that pictures of 10 or 12 bits keep their levels whatever the header
    says; values that span little of that range are shown from the smallest to the greatest.
    """
    if found is None or bits.stored <= 8:
        return bits.least, bits.greatest
    if bits.is_signed:
        spans_enough = found.white - found.black >= _LEAST_SHARE * (bits.greatest - bits.least)
        return (bits.least, bits.greatest) if spans_enough else (found.black, found.white)
    used = next((count for count in _USUAL_BITS if found.white < 1 << count), bits.stored)
    white = (1 << min(used, bits.stored)) - 1
    if found.black >= 0 and found.white - found.black >= _LEAST_SHARE * white:
        return 0, white
    return found.black, found.white


def _modality(header: Any, index: int) -> Callable[[_Values], _Values]:
    """Return the transform from stored values to those of the modality."""
    for item in items(header, "ModalityLUTSequence")[:1]:
        if (table := _lookup(item)) is not None:
            return table[0]
    where = group_values(header, index, "PixelValueTransformationSequence")
    slope, intercept = number(where, "RescaleSlope", 1.0) or 1.0, number(where, "RescaleIntercept", 0.0)
    return lambda stored: stored * slope + intercept


def _interest(where: Any) -> Callable[[_Values], _Values] | None:
    """Return the transform of the first table or window to shares of white; None where the file has neither."""
    for item in items(where, "VOILUTSequence")[:1]:
        if (table := _lookup(item)) is not None:
            look_up, top = table
            return lambda values: look_up(values) / top
    center, width = (number(where, f"Window{name}") for name in ("Center", "Width"))
    function = str(where.get("VOILUTFunction") or "LINEAR")
    if function == "SIGMOID" and width > 0:
        return lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT" and width > 0:
        return _linear(center - width / 2, center + width / 2)
    return _linear(center - width / 2, center + width / 2 - 1) if width >= 1 else None


def _linear(black: float, white: float) -> Callable[[_Values], _Values]:
    if white <= black:
        return lambda values: (values > black).astype(np.float64)
    return lambda values: (values - black) / (white - black)


def _lookup(item: Any) -> tuple[Callable[[_Values], _Values], int] | None:
    """Return a table as a transform of values, and its greatest possible entry; None where it cannot be used."""
    descriptor, data = [int(value) for value in numbers(item.get("LUTDescriptor"))], item.get("LUTData")
    if len(descriptor) != 3 or data is None:
        return None
    count, first, bits = descriptor
    count = count % (1 << 16) or 1 << 16
    if isinstance(data, (bytes, bytearray)):
        wide = len(data) >= 2 * count
        entries = np.frombuffer(bytes(data[: count * (1 + wide)]), "<u2" if wide else "u1").astype(np.float64)
    else:
        entries = np.array(numbers(data if not isinstance(data, int) else [data])[:count], np.float64)
    if not entries.size or not 1 <= bits <= 16:
        return None
    used = next((some for some in _USUAL_BITS if entries.max() < 1 << some), bits)
    top = (1 << (used if bits - used >= _FEWER or used > bits else bits)) - 1  # makers state 16 bits for entries of 8 or 12
    return lambda values: entries[np.clip(np.rint(values) - first, 0, entries.size - 1).astype(np.int64)], top
