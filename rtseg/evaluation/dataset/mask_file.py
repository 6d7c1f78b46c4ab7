"""Reads the pixels of a dataset's files: pictures, NIfTI and frames of video."""

from pathlib import Path

from rtseg.evaluation.dataset import pictures
from rtseg.evaluation.dataset.mask_values import Values
from rtseg.frame import Image

NIFTI = (".nii", ".nii.gz")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".wmv")


def read_image(path: Path, frame: int) -> Image:
    """Read the pixels of a picture, (H, W) gray or (H, W, 3) BGR, uint8. Raises DatasetError, MissingExtra."""
    if path.name.endswith(NIFTI):
        from rtseg.evaluation.dataset import nifti

        return nifti.read_image(path, frame)
    if path.suffix.lower() in VIDEOS:
        from rtseg.evaluation.dataset.video_frames import read_frame

        return read_frame(path, frame)
    return pictures.read_image(path)


def read_mask(path: Path, frame: int) -> Values:
    """Read the values of a mask file, (H, W). Raises DatasetError, MissingExtra."""
    if path.name.endswith(NIFTI):
        from rtseg.evaluation.dataset import nifti

        return nifti.read_mask(path, frame)
    return pictures.read_mask(path)
