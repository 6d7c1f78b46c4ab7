"""Finds the image files that a path names: a folder, a glob, a numbered pattern or one file, in natural order."""

import re
from collections.abc import Iterable, Iterator
from glob import has_magic, iglob
from pathlib import Path

from rtseg.errors import SourceError, SourceNotFound
from rtseg.sources.base import path_exists
from rtseg.sources.files.formats import detect_format

SUFFIXES = frozenset({".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".tif", ".tiff", ".webp"})
OTHER_SUFFIXES = frozenset({".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".tga", ".ppm", ".pgm", ".pnm", ".exr"})
_NUMBER = re.compile(r"%0?(\d*)d")  # of a numbered pattern, as in frame%03d.png


def is_image_path(where: str) -> bool:
    """Return whether a path names still images: a folder, a glob or a file with an image's suffix."""
    path, there = Path(where), path_exists(where)
    return (there and path.is_dir()) or path.suffix.lower() in SUFFIXES or (not there and _is_pattern(where))


def image_paths(where: str | Path) -> list[Path]:
    """Return the images in a folder, of a glob, or at a plain path, in natural order.

    A part of the path that exists as it is written is no pattern, so that a folder may be named `scan [left]`. Files whose
    names begin with a dot, which a system adds to a folder, are passed over. Raises SourceError, SourceNotFound.
    """
    images = _in_order(file for file in _files(where) if file.suffix.lower() in SUFFIXES)
    if not images:
        if any(map(_is_dicom, _files(where))):
            raise SourceNotFound(f"{where} holds DICOM files and no image: give dicom:{where}")
        raise SourceNotFound(f"{where} holds no image: give a folder or a glob of {', '.join(sorted(SUFFIXES))} files")
    return images


def other_images(where: str | Path) -> dict[Path, str]:
    """Return the images beside those of `image_paths` that are not read in a series, each with the reason and a remedy.

    Raises SourceError.
    """
    others = dict[Path, str]()
    for file in _in_order(_files(where)):
        if file.suffix.lower() in OTHER_SUFFIXES:
            others[file] = f"a {file.suffix} file is not read in a series: convert it to PNG"
        elif _is_dicom(file):
            others[file] = f"a DICOM file is not read among images: open its folder as dicom:{file.parent}"
    return others


def _is_dicom(file: Path) -> bool:
    return file.suffix.lower() not in SUFFIXES and detect_format(str(file)) == "dicom"


def _files(where: str | Path) -> list[Path]:
    """Return the files of a folder, the file itself, or those that match a pattern. Raises SourceError."""
    path = Path(where)
    try:
        if not path_exists(path):
            return [file for file in _matches(path) if file.is_file()]
        if not path.is_dir():
            return [path]
        return [file for file in path.iterdir() if not file.name.startswith(".") and file.is_file()]
    except OSError as error:
        raise SourceError(f"{where} cannot be listed ({error.strerror}): check the folder's permissions") from error


def _is_pattern(where: str) -> bool:
    """Return whether a part of a path that does not exist as it is written is a pattern."""
    path, known = Path(where), Path(where).anchor
    for part in path.parts[1 if known else 0 :]:
        if path_exists(Path(known) / part):
            known = str(Path(known) / part)
        else:
            return has_magic(part)
    return False


def _matches(path: Path) -> list[Path]:
    """Return what matches a path part by part; a part that exists as it is written stands for itself."""
    found = [Path(path.anchor)]
    for part in path.parts[1 if path.anchor else 0 :]:
        found = [match for folder in found for match in _matches_in(folder, part)]
    return found


def _matches_in(folder: Path, part: str) -> Iterator[Path]:
    if path_exists(folder / part):
        yield folder / part
    elif has_magic(part) and folder.is_dir():
        yield from (folder / name for name in iglob(part, root_dir=folder))  # noqa: PTH207  Path.glob matches dot files
    elif _NUMBER.search(part) and folder.is_dir():
        numbered = re.compile("".join(_as_expression(part)))
        yield from (file for file in folder.iterdir() if numbered.fullmatch(file.name))


def _as_expression(part: str) -> Iterator[str]:
    """Yield the pieces of the regular expression of a numbered pattern."""
    at = 0
    for number in _NUMBER.finditer(part):
        yield re.escape(part[at : number.start()]) + rf"\d{{{int(number[1] or 1)},}}"
        at = number.end()
    yield re.escape(part[at:])


def _in_order(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=_natural_order)


def _natural_order(path: Path) -> list[tuple[int, int | str]]:
    """Return a sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in parts] + [(2, path.name)]
