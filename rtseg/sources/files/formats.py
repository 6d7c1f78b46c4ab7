"""Which format of recordings a path holds, by its first bytes or its name, without any library."""

from pathlib import Path

from rtseg.sources.base import is_there

_SUFFIXES = {
    "metaimage": (".mha", ".mhd"),
    "dicom": (".dcm", ".dicom", ".ima"),
    "nrrd": (".nrrd", ".nhdr"),
    "nifti": (".nii", ".nii.gz"),
}
_DICOM_AT, _DICOM = 128, b"DICM"  # PS3.10, 7.1: after a preamble


def format_of(where: str) -> str:
    """metaimage, dicom, nrrd or nifti; nothing for a path that is none of them."""
    named = next((name for name, suffixes in _SUFFIXES.items() if where.lower().endswith(suffixes)), "")
    return named or ("dicom" if _is_dicom(Path(where)) else "")


def _is_dicom(path: Path) -> bool:
    """Whether a file without a telling name is DICOM: scanners name them IM_0001 or by numbers alone."""
    if not is_there(path) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_AT + len(_DICOM))[_DICOM_AT:] == _DICOM
    except OSError:
        return False
