"""Parses subjects and the order in time from names of files and folders."""

import re

_SUBJECT_FRAME = re.compile(r"(?P<subject>.+)_frame(?P<order>\d+)", re.IGNORECASE)
_EXAM_HC = re.compile(r"(?P<subject>\d+)_(?P<order>\d*)HC")  # HC18: exam, and number of the image in it
_WORDS = "patient|pat|subject|subj|sub|case|scan|exam|study|volunteer|person|proband"
_LEADING = re.compile(rf"(?P<subject>(?:{_WORDS})[ _-]?\d+)(?![0-9a-z])", re.IGNORECASE)


def subject_and_order(stem: str) -> tuple[str, int]:
    """Parse the subject and the order in time from a file's stem; an unknown name is its own subject."""
    found = _SUBJECT_FRAME.fullmatch(stem) or _EXAM_HC.fullmatch(stem)
    return (found["subject"], int(found["order"] or 1)) if found else (stem, 0)


def leading_subject(name: str) -> str:
    """Return the subject that a name begins with, as patient12 in patient12-3; empty if none is told."""
    found = _LEADING.match(name)
    return found["subject"] if found else ""
