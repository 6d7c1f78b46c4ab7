"""Reads the values of a DICOM header that describe its frames."""

import math
import re
from collections.abc import Iterable
from typing import Any

from rtseg.sources.files.quiet_pydicom import SILENCE

_UID, _LONGEST_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+", re.ASCII), 64
_COLORS = ("Red", "Green", "Blue")
TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
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
    if isinstance(value, bytes):  # text of more than 64 KiB, which explicit encodings write without its VR
        value = [part for part in value.decode("ascii", "replace").strip(" \0").split("\\") if part]
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


def uid(header: Any, name: str) -> str:
    """Return the UID of an element; "" where it has none that is valid (DICOM PS3.5, 9.1), as in a damaged file."""
    try:
        with SILENCE:  # pydicom warns of a damaged one, and quotes it
            text = str(header.get(name) or "")
    except Exception:  # noqa: BLE001  of a damaged element pydicom raises any exception
        return ""
    return text if len(text) <= _LONGEST_UID and _UID.fullmatch(text) else ""


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
