"""Reads a DICOM header's facts about its frames: their times, the pixel size, the place in a series."""

import math
from collections.abc import Sequence as List
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from rtseg.frame import Spacing

TAGS = (
    "SOPClassUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "FrameTime",
    "FrameTimeVector",
    "CineRate",
    "RecommendedDisplayFrameRate",
    "SequenceOfUltrasoundRegions",
    "PixelSpacing",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "RescaleSlope",
    "RescaleIntercept",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
)
_CENTIMETRES = 3  # PS3.3, C.8.5.5.1.15: physical units
_PLANE = 1  # region spatial format 2D; the others are M-mode, spectra, waveforms and graphics
_TISSUE = 1  # region data type; 2 is color flow, the others are Doppler spectra and their traces


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """Holds when each frame of a file is shown."""

    period_ms: float | None  # time from one frame to the next, None where the file has none
    starts_ms: tuple[float, ...] = ()  # each frame's start, where the file lists it

    @property
    def fps(self) -> float | None:
        """Return frames a second; None where the file does not specify it."""
        return 1000 / self.period_ms if self.period_ms else None

    def timestamp_ns(self, index: int) -> int | None:
        """Return a frame's time in nanoseconds after the file's first one; None where it is unknown."""
        if index < len(self.starts_ms):
            return round(self.starts_ms[index] * 1e6)
        return None if self.period_ms is None else round(index * self.period_ms * 1e6)


def timing(header: Any) -> FrameTiming:
    """Return the times by the first plausible of FrameTimeVector, FrameTime, CineRate and RecommendedDisplayFrameRate."""
    steps = numbers(header.get("FrameTimeVector"))[1:]
    if steps and min(steps) > 0:
        starts = tuple(accumulate(steps, initial=0.0))
        return FrameTiming(_sensible(starts[-1] / len(steps)), starts)
    periods = numbers(header.get("FrameTime"))
    for name in ("CineRate", "RecommendedDisplayFrameRate"):
        periods += [1000 / rate for rate in numbers(header.get(name)) if rate > 0]
    return FrameTiming(next((period for period in periods if _sensible(period)), None))


def spacing(header: Any) -> Spacing | None:
    """Return the pixel size (down, along) in mm of the B-mode region, else of the whole image; None if neither is given."""
    regions = [region for region in _items(header) if _is_plane(region)]
    tissue = [region for region in regions if _number(region, "RegionDataType") == _TISSUE]
    largest = max(tissue or regions, key=_area, default=None)
    if largest is not None:
        return _positive([10 * abs(_number(largest, f"PhysicalDelta{axis}")) for axis in "YX"])
    return _positive(numbers(header.get("PixelSpacing")))


def _items(header: Any) -> List[Any]:
    regions = header.get("SequenceOfUltrasoundRegions")
    return [] if regions is None else list(regions)


def _is_plane(region: Any) -> bool:
    """Return whether a region shows a plane of the body, measured in centimeters in both directions."""
    units = {_number(region, f"PhysicalUnits{axis}Direction") for axis in "XY"}
    return _number(region, "RegionSpatialFormat") == _PLANE and units == {_CENTIMETRES}


def _area(region: Any) -> float:
    left, top, right, bottom = (_number(region, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1"))
    return (right - left) * (bottom - top)


def _number(region: Any, name: str) -> float:
    """Return a region's value; 0 where it is missing or not a number."""
    return next(iter(numbers(region.get(name))), 0.0)


def numbers(value: Any) -> list[float]:
    """Return the finite numbers of an element of any multiplicity."""
    values = [] if value is None else [value] if isinstance(value, (str, int, float)) else list(value)
    try:
        numbers = [float(one) for one in values]
    except (TypeError, ValueError):
        return []
    return [number for number in numbers if math.isfinite(number)]


def _positive(numbers: List[float]) -> Spacing | None:
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None


def _sensible(period_ms: float) -> float | None:
    return period_ms if 1 <= period_ms <= 60_000 else None
