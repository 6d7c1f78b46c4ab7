"""Reads NIfTI sequences (.nii, .nii.gz), frame by frame."""

from pathlib import Path

from rtseg.errors import SourceError
from rtseg.frame import Spacing
from rtseg.nifti import open_volume
from rtseg.sources.base import existing_file
from rtseg.sources.files.frame_store import open_frame_store
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.plane_directions import plane_orientation
from rtseg.sources.files.sequence import FrameSequence
from rtseg.sources.files.source_notes import SourceNotes
from rtseg.sources.files.tracked_frames import TrackedFrames
from rtseg.sources.pixels.intensity import IntensityWindow


def open_nifti(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open a NIfTI of (x, y, t) or (x, y, 1, t): x along a row, y down a column, as stored.

    A mirrored axis of its sform or qform is turned back. Two forms that agree and both name the scanner are those of ITK and of
    converters of DICOM, whose pictures stand upright in its axes, to the left and backwards. Values are shown from `cal_min` to
    `cal_max`; without those, pixels other than 8 bits are scaled from the recording's minimum to its maximum. Spacing and rate
    are known where their units are.
    Raises SourceError, SourceNotFound, ConfigError.
    """
    path, notes = existing_file(Path(where)), SourceNotes()
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise SourceError(f"{path} is a half of a pair of .hdr and .img, as NIfTI and Analyze have: save it as one file, .nii")
    volume = open_volume(path)
    orientation, words = plane_orientation(*volume.directions) if volume.directions else (Orientation(), "")
    for note in (volume.note, words):
        notes.say(path, note)
    own_mm = orientation.to_upright(volume.spacing_mm) if volume.spacing_mm else None
    window = IntensityWindow(*volume.shown) if volume.shown else None
    rate = fps if fps is not None else volume.fps
    return open_frame_store(volume, orientation, TrackedFrames(), rate, spacing_mm, own_mm, window, notes=notes, path=path)
