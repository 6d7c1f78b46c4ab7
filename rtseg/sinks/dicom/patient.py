"""Reads what the user states about patient and study for DICOM objects."""

import sys
from pathlib import Path

from rtseg.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYWORDS = (
    *(
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
        "StudyDescription",
        "StudyDate",
        "StudyTime",
    ),
    *("AccessionNumber", "ReferringPhysicianName", "BodyPartExamined", "Laterality"),
)
_MAX_LENGTH = 64


def read_patient(path: Path | str) -> dict[str, str]:
    """Return the values of a TOML file by DICOM keyword, such as PatientID = "17". Raises ConfigError."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a TOML file with PatientName, PatientID") from None
    except ValueError as error:  # invalid TOML or UTF-8
        raise ConfigError(f'{path} is not TOML ({error}): write lines such as PatientID = "17"') from None
    for keyword, value in values.items():
        if keyword not in _KEYWORDS:
            raise ConfigError(f"{path}: {keyword!r} is no attribute that is taken: give some of {', '.join(_KEYWORDS)}")
        if not isinstance(value, str) or len(value) > _MAX_LENGTH or not value.isprintable() or "\\" in value:
            raise ConfigError(f"{path}: {keyword} is no text of one line, of at most {_MAX_LENGTH} characters: mend it")
        if problem := _problem(keyword, value):
            raise ConfigError(f"{path}: {keyword} is {value!r}: {problem}")
    return values


def _problem(keyword: str, value: str) -> str:
    """Return what is wrong with the form of a value, or ""."""
    if keyword in ("PatientBirthDate", "StudyDate") and not (len(value) == 8 and value.isdigit()):
        return "give year, month and day, as in 19700131"
    if keyword == "StudyTime" and not (len(value) == 6 and value.isdigit()):
        return "give hours, minutes and seconds, as in 142530"
    if keyword == "PatientSex" and value not in ("M", "F", "O", ""):
        return "give M, F or O"
    if keyword == "Laterality" and value not in ("L", "R"):
        return "give L or R"
    if keyword == "StudyInstanceUID" and not all(part.isdigit() for part in value.split(".")):
        return "give numbers with dots between them"
    return ""
