"""Reads DDTI as downloaded: N.xml with the outlines of nodules on N_1.jpg, N_2.jpg, ... of one patient.

L. Pedraza et al., "An open access thyroid ultrasound image database", SIPAIM 2015. The outlines are JSON in the XML's text.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.annotation import DrawnRegions
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.drawn_region import PolygonRegion
from rtseg.evaluation.dataset.left_out import NO_MASK, NO_PICTURE, LeftOut
from rtseg.evaluation.dataset.picture_files import is_picture, size_of, walk

_MAX_BYTES = 16 << 20  # of one patient's file
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")  # the parser would expand them


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return any(_marks(path) for path in _files(folder))


def cases(folder: Path) -> Iterator[Case]:
    """Yield each picture with its outlines; what has none is logged and left out. Raises DatasetError."""
    left_out, found = LeftOut(folder), list[Case]()
    for source in _files(folder):
        for mark in _marks(source):
            number = (mark.findtext("image") or "").strip()
            regions = _regions(source, mark.findtext("svg") or "")
            stem = f"{source.stem}_{number}"
            picture = next((path for path in sorted(source.parent.glob(f"{stem}.*")) if is_picture(path)), None)
            size = size_of(picture) if picture else None
            if picture is None or size is None:
                left_out.add(NO_PICTURE, f"{stem} of {source.name}")
            elif regions:  # a picture without an outline may show a nodule that was not drawn
                name = picture.relative_to(folder).with_suffix("").as_posix()
                order = int(number) if number.isdecimal() else 0
                annotation = DrawnRegions(source, size, regions, ())
                found.append(Case(name, source.stem, order, picture, source, annotation=annotation))
    drawn = {case.image_path for case in found}
    for path in walk(folder):
        if is_picture(path) and path not in drawn:
            left_out.add(NO_MASK, str(path.relative_to(folder)))
    left_out.report(len(found))
    return iter(found)


def _files(folder: Path) -> list[Path]:
    return [path for path in walk(folder) if path.suffix.lower() == ".xml"] if folder.is_dir() else []


def _marks(source: Path) -> list[Xml.Element]:
    """Return the marks of a patient's file; none for another kind of XML. Raises DatasetError."""
    text = source.read_bytes()[: _MAX_BYTES + 1]
    if len(text) > _MAX_BYTES or any(word in text for word in _DECLARATIONS):
        raise DatasetError(f"{source} is no file of DDTI (too large, or with declarations): remove it")
    try:
        root = Xml.fromstring(text)
    except Xml.ParseError as error:
        raise DatasetError(f"{source} is no XML ({error}): mend or remove it") from None
    return [mark for mark in root.iter("mark") if mark.find("svg") is not None] if root.tag == "case" else []


def _regions(source: Path, svg: str) -> tuple[PolygonRegion, ...]:
    """Return the outlines in the text of a mark. Raises DatasetError."""
    if not svg.strip():
        return ()
    try:
        shapes: list[dict[str, Any]] = json.loads(svg)
        outlines = [tuple((float(one["x"]), float(one["y"])) for one in shape["points"]) for shape in shapes]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{source} has an outline that cannot be read ({described(error)}): mend or remove it") from None
    return tuple(PolygonRegion("", (outline,)) for outline in outlines if len(outline) >= 3)
