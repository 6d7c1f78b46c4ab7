"""Reads NIfTI sequences (.nii, .nii.gz), frame by frame."""

from pathlib import Path

from rtseg.frame import Spacing
from rtseg.nifti import open_volume
from rtseg.sources.base import existing_file
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.raw_frames import open_frame_store
from rtseg.sources.files.sequence import FrameSequence
from rtseg.sources.files.tracked_frames import TrackedFrames


def open_nifti(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open a NIfTI of (x, y, t) or (x, y, 1, t): x along a row, y down a column, as stored.

    Pixels other than 8 bits are scaled from the recording's minimum to its maximum. Spacing and rate are known where their
    units are. Raises SourceError, SourceNotFound, ConfigError.
    """
    volume = open_volume(existing_file(Path(where)))
    rate = fps if fps is not None else volume.fps
    return open_frame_store(volume, Orientation(), TrackedFrames(), rate, spacing_mm or volume.spacing_mm)
