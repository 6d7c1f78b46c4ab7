"""Detects the format of a recording by its name or first bytes, without any library."""

from pathlib import Path

from rtseg.sources.base import path_exists

_SUFFIXES = {
    "metaimage": (".mha", ".mhd"),
    "dicom": (".dcm", ".dicom", ".ima"),
    "nrrd": (".nrrd", ".nhdr"),
    "nifti": (".nii", ".nii.gz", ".hdr", ".img", ".img.gz"),
}
_LAST_FIRST, _LONGEST_FIRST = 0x0018, 128  # of a data set's first element: its number, and its bytes
_FIRST_KINDS = (b"UL", b"CS", b"UI", b"DA", b"TM", b"SH", b"LO", b"DT")  # value representations of such elements
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
            head = file.read(_DICOM_AT + len(_DICOM))
    except OSError:
        return False
    return head[_DICOM_AT:] == _DICOM or _is_bare_dicom(head)


def _is_bare_dicom(head: bytes) -> bool:
    """Return whether a file begins with the first element of a data set, as DICOM without a preamble does."""
    if len(head) < 16:
        return False
    group, element = head[0] | head[1] << 8, head[2] | head[3] << 8
    is_first = (group, element) == (2, 0) or (group == 8 and element <= _LAST_FIRST)
    has_kind = head[4:6] in _FIRST_KINDS
    length = int.from_bytes(head[6:8] if has_kind else head[4:8], "little")
    return is_first and length <= _LONGEST_FIRST and (has_kind or not any(head[6:8]))
