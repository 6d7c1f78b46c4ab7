"""Reads CAMUS as downloaded: patientNNNN/patientNNNN_2CH_half_sequence.nii.gz with its _gt, and ED and ES frames.

S. Leclerc et al., "Deep learning for segmentation using an open large-scale dataset in 2D echocardiography", IEEE
Transactions on Medical Imaging 38(9), 2019. Its classes: 1 the left ventricle's cavity, 2 its wall, 3 the left atrium.
"""

from collections.abc import Iterator
from pathlib import Path

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset.case import NIFTI, Case

_TRUTH = "_gt"
_SEQUENCE = "half_sequence"
_MOMENTS = ("ED", "ES")


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return next(_truths(folder), None) is not None


def cases(folder: Path) -> Iterator[Case]:
    """Yield each frame of each view's half sequence; without one, the end-diastolic and end-systolic frames.

    Raises DatasetError, MissingExtra.
    """
    truths = sorted(_truths(folder))
    whole = {_view(path) for path in truths if _SEQUENCE in path.name}
    for truth in truths:
        if _SEQUENCE in truth.name or _view(truth) not in whole:
            yield from _frames(truth)


def _truths(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob(f"patient*/patient*{_TRUTH}.nii*") if path.name.endswith(NIFTI))


def _view(truth: Path) -> str:
    """Return the patient and the view, as in patient0001_2CH."""
    return "_".join(truth.name.split("_")[:2])


def _frames(truth: Path) -> Iterator[Case]:
    from rtseg.evaluation.dataset.nifti import frame_count, frames_and_spacing

    image = truth.with_name(truth.name.replace(_TRUTH, ""))
    if not image.exists():
        raise DatasetError(f"{truth} has no {image.name} beside it: copy it there, or remove the mask")
    stem, (patient, view, *moment) = image.name.partition(".")[0], image.name.partition(".")[0].split("_")
    frames, spacing_mm = frames_and_spacing(image)
    drawn = frame_count(truth)
    if drawn != frames:
        raise DatasetError(f"{truth} has {drawn} frames and {image.name} {frames}: copy both again, or remove them")
    first = _MOMENTS.index(moment[0]) if moment and moment[0] in _MOMENTS else 0
    for frame in range(frames):
        name = f"{stem}_{frame}" if frames > 1 else stem
        yield Case(name, patient, first + frame, image, truth, spacing_mm, recording=view, frame=frame)
