"""Describes a redacted recording as an Ultrasound Multi-frame Image (DICOM PS3.3, A.7)."""

from collections.abc import Sequence

import numpy as np

from rtseg.frame import SourceInstance, Spacing
from rtseg.sinks.dicom.instance import StreamIdentity, common_header, set_pixels
from rtseg.sources.files.dicom_codec import pydicom

PURPOSE = "recording"
_FRAME_TIME, _FRAME_TIME_VECTOR = 0x00181063, 0x00181065
_LONGEST_TEXT = 0xFFFE  # bytes of an element with a VR of its own
_REGULAR_MS = 1.0  # by which the times of a regular stream differ at most


def recording_header(
    identity: StreamIdentity, shape: tuple[int, ...], times_ms: Sequence[float], spacing_mm: Spacing | None, *, burned_in: str
) -> pydicom.Dataset:
    """Return the header of a recording.

    shape: of a frame, (H, W) or (H, W, 3). times_ms: from each frame to the next, the first 0. spacing_mm: (down, along) of all
    frames; None: unknown, or not the same for all. burned_in: whether text may identify the patient, "YES" or "NO"; "" where
    nobody knows.
    """
    header = common_header(identity, pydicom.uid.UltrasoundMultiFrameImageStorage, PURPOSE, "US", 1, _content(spacing_mm))
    set_pixels(header, shape, len(times_ms))
    header.ImageType = ["DERIVED", "PRIMARY"]
    header.PatientOrientation = header.Laterality = ""
    if burned_in:
        header.BurnedInAnnotation = burned_in
    _set_times(header, times_ms)
    if spacing_mm:
        header.SequenceOfUltrasoundRegions = [_region(shape, spacing_mm)]
    return header


def _set_times(header: pydicom.Dataset, times_ms: Sequence[float]) -> None:
    """State the time of each frame, or one for all where they are regular and too many for a text with a VR of its own.

    A longer vector is written as UN (PS3.5, 6.2.2), which few programs read.
    """
    ends_us = np.rint(np.cumsum(times_ms) * 1000)  # so that rounding does not add up
    vector, steps = [f"{step / 1000:.3f}" for step in np.diff(ends_us, prepend=0)], np.asarray(times_ms)[1:]
    if len("\\".join(vector)) > _LONGEST_TEXT and np.ptp(steps) < _REGULAR_MS:
        header.FrameIncrementPointer, header.FrameTime = _FRAME_TIME, f"{steps.mean():.6f}"
    else:
        header.FrameIncrementPointer, header.FrameTimeVector = _FRAME_TIME_VECTOR, vector


def _content(spacing_mm: Spacing | None) -> bytes:
    """Return what tells recordings of the same pixels apart."""
    return repr(spacing_mm).encode()


def recorded_images(identity: StreamIdentity, frames: int, spacing_mm: Spacing | None) -> list[SourceInstance]:
    """Return the frames of the recording, to refer to."""
    sop, series = (identity.uid(purpose, _content(spacing_mm)) for purpose in (PURPOSE, f"series {PURPOSE}"))
    kind = pydicom.uid.UltrasoundMultiFrameImageStorage
    return [SourceInstance(kind, sop, series, identity.study, number, frames) for number in range(1, frames + 1)]


def _region(shape: tuple[int, ...], spacing_mm: Spacing) -> pydicom.Dataset:
    """Return the calibration of the whole frame (PS3.3, C.8.5.5): 2D tissue, in cm."""
    region = pydicom.Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = shape[1] - 1, shape[0] - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = spacing_mm[1] / 10, spacing_mm[0] / 10
    return region
