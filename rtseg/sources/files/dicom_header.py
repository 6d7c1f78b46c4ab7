"""Reads the values of a DICOM header that describe its frames."""

import math
from collections.abc import Iterable
from typing import Any

_COLORS = ("Red", "Green", "Blue")
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
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "FrameTime",
    "FrameTimeVector",
    "CineRate",
    "RecommendedDisplayFrameRate",
    "ActualFrameDuration",
    "SequenceOfUltrasoundRegions",
    "PixelSpacing",
    "PixelAspectRatio",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "PresentationLUTShape",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    *(f"{color}PaletteColorLookupTableDescriptor" for color in _COLORS),
    *(f"{color}PaletteColorLookupTableData" for color in _COLORS),
    *(f"Segmented{color}PaletteColorLookupTableData" for color in _COLORS),
)


def numbers(value: Any) -> list[float]:
    """Return the finite numbers of an element of any multiplicity."""
    values = [] if value is None else [value] if isinstance(value, (str, int, float)) else list(value)
    try:
        numbers = [float(one) for one in values]
    except (TypeError, ValueError):
        return []
    return [number for number in numbers if math.isfinite(number)]


def number(header: Any, name: str, default: float = 0.0) -> float:
    """Return the first number of an element, `default` where it has none."""
    return next(iter(numbers(header.get(name))), default)


def integer(header: Any, name: str, default: int = 0) -> int:
    """Return the first number of an element, rounded down."""
    return math.floor(number(header, name, default))


def items(header: Any, name: str) -> list[Any]:
    """Return the items of a sequence; none where it is missing."""
    value = header.get(name)
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else []


def per_frame_groups(header: Any) -> list[Any]:
    """Return the functional groups of each frame; none where the file has none."""
    return items(header, "PerFrameFunctionalGroupsSequence")


def group_values(header: Any, index: int, sequence: str) -> Any:
    """Return the item of a functional group that holds for a frame: its own, the shared one, or the header itself."""
    frames = per_frame_groups(header)
    for groups in (frames[index : index + 1], items(header, "SharedFunctionalGroupsSequence")[:1]):
        for group in groups:
            if found := items(group, sequence):
                return found[0]
    return header
