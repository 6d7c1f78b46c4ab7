"""Reads the size of a DICOM file's pixels: that of its ultrasound regions, else that of the image.

PS3.3, C.8.5.5 (US Region Calibration) and 10.7.1.3 (pixel spacing).
"""

import math
from dataclasses import dataclass
from typing import Any

from rtseg.frame import Spacing
from rtseg.sources.files.dicom_header import group_values, items, number, numbers

_CENTIMETRES = 3  # PS3.3, C.8.5.5.1.15: physical units
_UNIT_NONE = 0
_PLANE = 1  # region spatial format 2D; the others are M-mode, spectra, waveforms and graphics
_TISSUE = 1  # region data type; 2 is color flow, the others are Doppler spectra and their traces
_TOLERANCE = 0.01  # relative: two statements of the same size
_ELSEWHERE = ("ImagerPixelSpacing", "NominalScannedPixelSpacing")  # of a detector, of a film: not of the body


@dataclass(frozen=True, slots=True)
class PixelScale:
    """Describes the pixels of a frame."""

    spacing_mm: Spacing | None  # (down, along) in mm, None where the file states none, or two for one image
    aspect: float  # width of a pixel over its height
    note: str = ""  # what contradicts it, or why it is withheld


def pixel_scale(header: Any, index: int = 0) -> PixelScale:
    """Return the size of a frame's pixels.

    It is that of the tissue regions, which are planes in centimeters. Without such a region it is PixelSpacing. It is unknown
    where two regions have two scales, since a mask may lie in either.
    """
    spacing_mm, note = _spacing(header, index)
    if spacing_mm is not None:
        return PixelScale(spacing_mm, spacing_mm[1] / spacing_mm[0], note)
    ratio = numbers(header.get("PixelAspectRatio"))  # vertical size, horizontal size
    aspect = ratio[1] / ratio[0] if len(ratio) == 2 and min(ratio) > 0 else 1.0
    return PixelScale(None, aspect if 0.1 <= aspect <= 10 else 1.0, note)


def _spacing(header: Any, index: int) -> tuple[Spacing | None, str]:
    of_image = _positive(numbers(group_values(header, index, "PixelMeasuresSequence").get("PixelSpacing")))
    regions = items(header, "SequenceOfUltrasoundRegions")
    planes = [region for region in regions if _is_plane(region)]
    tissue = [region for region in planes if number(region, "RegionDataType") == _TISSUE] or planes
    tissue += [region for region in planes if not any(_overlap(region, one) for one in tissue)]  # color beside the tissue
    scales = [scale for region in tissue if (scale := _scale(region))]
    if not tissue and regions and of_image and any(_has_other_units(region) for region in regions):
        return (
            None,
            "has ultrasound regions without a scale in centimeters, so that its PixelSpacing is not used: give --spacing",
        )
    if not scales:
        return (of_image, "") if of_image else (None, _unused(header))
    if len(scales) < len(tissue) or not all(_agree(scales[0], scale) for scale in scales):
        sizes = ", ".join(f"{down:.4g} x {along:.4g}" for down, along in dict.fromkeys(scales))
        return (
            None,
            f"has ultrasound regions of different scales ({sizes} mm): no size in mm is given; crop one, with --spacing",
        )
    if of_image and not _agree(scales[0], of_image):
        down, along = scales[0]
        return scales[0], f"states {down:.4g} x {along:.4g} mm in its region and another PixelSpacing: the region's is used"
    return scales[0], ""


def _scale(region: Any) -> Spacing | None:
    return _positive([10 * abs(number(region, f"PhysicalDelta{axis}")) for axis in "YX"])


def _unused(header: Any) -> str:
    """Return words about spacings that are not those of the body; "" where there are none."""
    found = [name for name in _ELSEWHERE if _positive(numbers(header.get(name)))]
    return f"states {found[0]} alone, which is no size in the body: give --spacing to measure in mm" if found else ""


def _is_plane(region: Any) -> bool:
    """Return whether a region shows a plane of the body, measured in centimeters in both directions."""
    return number(region, "RegionSpatialFormat") == _PLANE and _units(region) == {_CENTIMETRES}


def _has_other_units(region: Any) -> bool:
    """Return whether a region's axes have units that are no lengths, such as seconds, hertz or decibels."""
    return bool(_units(region) - {_CENTIMETRES, _UNIT_NONE})


def _overlap(one: Any, other: Any) -> bool:
    """Return whether two regions have pixels in common."""
    (left, top, right, bottom), (other_left, other_top, other_right, other_bottom) = _box(one), _box(other)
    return left <= other_right and other_left <= right and top <= other_bottom and other_top <= bottom


def _box(region: Any) -> tuple[float, float, float, float]:
    """Return a region's first and last pixels: left, top, right, bottom."""
    left, top, right, bottom = (number(region, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1"))
    return left, top, right, bottom


def _units(region: Any) -> set[float]:
    return {number(region, f"PhysicalUnits{axis}Direction") for axis in "XY"}


def _agree(one: Spacing, other: Spacing) -> bool:
    return all(math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in zip(one, other, strict=True))


def _positive(numbers: list[float]) -> Spacing | None:
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None
