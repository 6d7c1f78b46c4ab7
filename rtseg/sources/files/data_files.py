"""Find the files in which a header of MetaImage or NRRD keeps its pixels, all in the header's own folder."""

import re
from collections.abc import Sequence
from pathlib import Path

from rtseg.errors import SourceError
from rtseg.sources.base import existing_file

_PATTERN = re.compile(r"(\S*%0?\d{0,2}[du]\S*)\s+(-?\d{1,9})\s+(-?\d{1,9})\s+(-?\d{1,9})(?:\s+\d)?")
_MOST_FILES = 100_000


def data_files(header: Path, name: str, listed: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the files of one name, of a pattern with its first number, last number and step, or of a list.

    listed: the names that follow LIST. Raises SourceError for names that lead elsewhere, and for missing files.
    """
    names = [line.strip() for line in listed if line.strip()] if name.upper().split()[:1] == ["LIST"] else _numbered(name)
    if not names or any(not one or Path(one).name != one or "%" in one for one in names):
        raise SourceError(
            f"{header} keeps its pixels in {name[:80]!r}: save it as one file, .mha or .nrrd, which holds them itself"
        )
    return tuple(existing_file(header.parent / one) for one in names)


def _numbered(name: str) -> list[str]:
    """Return the names of a pattern; the name itself where it is none."""
    found = _PATTERN.fullmatch(name)
    if not found:
        return [name]
    first, last, step = (int(found[place]) for place in (2, 3, 4))
    if not step or (last - first) // step not in range(_MOST_FILES):
        return []
    return [_filled(found[1], number) for number in range(first, last + (1 if step > 0 else -1), step)]


def _filled(pattern: str, number: int) -> str:
    """Return a pattern of C with its one number filled in; "" where it has other marks."""
    text, count = re.subn(r"%(0?\d{0,2})[du]", lambda found: format(number, f"{found[1]}d"), pattern)
    return text if count == 1 and "%" not in text else ""
