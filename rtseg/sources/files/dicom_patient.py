"""Reads what DICOM files state about their patient and study, for objects that are filed beside them."""

from pathlib import Path
from typing import Any

from rtseg.errors import ConfigError
from rtseg.sources.base import existing_file, path_exists
from rtseg.sources.files.dicom import read_folder
from rtseg.sources.files.dicom_codec import pydicom
from rtseg.sources.files.dicom_errors import translated_errors
from rtseg.sources.files.dicom_header import uid
from rtseg.sources.files.quiet_pydicom import SILENCE
from rtseg.sources.files.source_notes import SourceNotes

_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyID", "StudyDescription", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")
_STUDY_UID = "StudyInstanceUID"


def read_source_patient(where: Path) -> dict[str, str]:
    """Return what the files of a DICOM source state about patient and study, by DICOM keyword.

    Raises ConfigError where they name several patients or studies, or none, and SourceError where they cannot be read.
    """
    is_folder = path_exists(where) and where.is_dir()
    with SILENCE:
        files = [one.path for one in read_folder(where, SourceNotes())] if is_folder else [existing_file(where)]
        stated = [_stated(file) for file in files]
    for keyword in (*_PATIENT, _STUDY_UID):
        if len({one.get(keyword) for one in stated}) > 1:
            raise ConfigError(
                f"{where} holds several patients or studies: give the files of one study, or a file with --patient"
            )
    if not stated[0].get(_STUDY_UID):
        raise ConfigError(f"{where} names no study: give a file with --patient, or leave it out")
    return stated[0]


def _stated(file: Path) -> dict[str, str]:
    keywords: list[Any] = [*_PATIENT, *_STUDY, _STUDY_UID, "SpecificCharacterSet"]
    with translated_errors(file, "cannot be read", "have the archive send it again"):
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=keywords, force=True)
        values = {keyword: str(header.get(keyword) or "").strip() for keyword in (*_PATIENT, *_STUDY)}
    values[_STUDY_UID] = uid(header, _STUDY_UID)
    return {keyword: value for keyword, value in values.items() if value and value.isprintable()}
