"""Reads LabelMe's annotations: a JSON file beside each picture, with polygons, rectangles, circles and bitmaps.

K. Wada, "Labelme: image polygonal annotation with Python". A picture whose file holds no shape shows no class.
"""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.annotation import AnnotatedRegion, DrawnRegions
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.drawn_region import (
    BitmapRegion,
    PolygonRegion,
    as_points,
    circle_corners,
    rectangle_corners,
)
from rtseg.evaluation.dataset.json_files import labelme_files
from rtseg.evaluation.dataset.left_out import NO_MASK, NO_PICTURE, OTHER_SIZE, LeftOut
from rtseg.evaluation.dataset.picture_files import find_picture, is_picture, size_of, walk
from rtseg.evaluation.dataset.subject_names import subject_and_order

_OPEN_SHAPES = ("point", "points", "line", "linestrip")  # without an inside


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return next(labelme_files(folder), None) is not None


def cases(folder: Path) -> Iterator[Case]:
    """Yield each picture with its drawn regions; what lacks a partner is logged and left out. Raises DatasetError."""
    left_out, read = LeftOut(folder), list[tuple[Path, Path, tuple[int, int], tuple[AnnotatedRegion, ...]]]()
    for source, values in labelme_files(folder):
        named = str(values["imagePath"])
        picture = find_picture(folder, (source.parent,), named) or _beside(source)
        if picture is None:
            left_out.add(NO_PICTURE, str(source.relative_to(folder)))
            continue
        size = size_of(picture)
        if size is None or size != (values.get("imageHeight", size[0]), values.get("imageWidth", size[1])):
            left_out.add(OTHER_SIZE, str(source.relative_to(folder)))
            continue
        read.append((source, picture, size, tuple(_regions(source, values, left_out))))
    annotated = {picture for _, picture, *_ in read}
    for path in walk(folder):
        if is_picture(path) and path not in annotated:
            left_out.add(NO_MASK, str(path.relative_to(folder)))
    left_out.report(len(read))
    names = tuple(sorted({region.name for *_, regions in read for region in regions}))
    return (_case(folder, *one, names) for one in read)


def _beside(source: Path) -> Path | None:
    return next((path for path in sorted(source.parent.glob("*")) if path.stem == source.stem and is_picture(path)), None)


def _regions(source: Path, values: Mapping[str, Any], left_out: LeftOut) -> Iterator[AnnotatedRegion]:
    """Yield the regions of a file. Raises DatasetError."""
    try:
        for shape in values["shapes"]:
            kind = shape.get("shape_type") or "polygon"
            if kind in _OPEN_SHAPES:
                left_out.add(f"{kind} shapes, which enclose nothing", source.name)
            else:
                yield _region(kind, shape)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DatasetError(f"{source} has a shape that cannot be read ({described(error)}): draw it again") from None


def _region(kind: str, shape: Mapping[str, Any]) -> AnnotatedRegion:
    """Return the region of a shape. Raises ValueError, KeyError, TypeError, IndexError."""
    name, points = str(shape["label"]), as_points(shape["points"])
    if kind == "mask":
        coded = np.frombuffer(base64.b64decode(shape["mask"], validate=True), np.uint8)
        bitmap = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED) if coded.size else None
        if bitmap is None or bitmap.ndim != 2:
            raise ValueError("its mask is no picture of one channel")
        return BitmapRegion(name, np.asarray(bitmap > 0), (round(points[0][0]), round(points[0][1])))
    if kind == "circle":
        return PolygonRegion(name, (circle_corners(points[0], points[1]),))
    if kind == "rectangle":
        return PolygonRegion(name, (rectangle_corners(points[0], points[1]),))
    if kind != "polygon" or len(points) < 3:
        raise ValueError(f"a {kind} of {len(points)} points")
    return PolygonRegion(name, (points,))


def _case(
    folder: Path,
    source: Path,
    picture: Path,
    size: tuple[int, int],
    regions: tuple[AnnotatedRegion, ...],
    names: tuple[str, ...],
) -> Case:
    name = picture.relative_to(folder).with_suffix("").as_posix()
    subject, order = subject_and_order(name)
    return Case(name, subject, order, picture, source, annotation=DrawnRegions(source, size, regions, names))
