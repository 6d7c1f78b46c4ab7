"""Detects the format of a recording by its name or first bytes, without any library."""

from pathlib import Path

from rtseg.sources.base import path_exists

_SUFFIXES = {
    "metaimage": (".mha", ".mhd"),
    "dicom": (".dcm", ".dicom", ".ima"),
    "nrrd": (".nrrd", ".nhdr"),
    "nifti": (".nii", ".nii.gz"),
}
_DICOM_AT, _DICOM = 128, b"DICM"  # PS3.10, 7.1: after a preamble


def detect_format(where: str) -> str:
    """Return metaimage, dicom, nrrd or nifti; "" for a path to another format."""
    named = next((name for name, suffixes in _SUFFIXES.items() if where.lower().endswith(suffixes)), "")
    return named or ("dicom" if _is_dicom(Path(where)) else "")


def _is_dicom(path: Path) -> bool:
    """Return whether a file with any name is DICOM: scanners name files IM_0001, or by numbers alone."""
    if not path_exists(path) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_AT + len(_DICOM))[_DICOM_AT:] == _DICOM
    except OSError:
        return False
