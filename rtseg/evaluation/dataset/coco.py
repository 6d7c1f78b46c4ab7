"""Reads COCO's annotations: one JSON file of many pictures, with polygons and run lengths.

T.-Y. Lin et al., "Microsoft COCO", ECCV 2014. A picture without an annotation shows no class.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.annotation import AnnotatedRegion, DrawnRegions
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.drawn_region import PolygonRegion, RunLengthRegion, as_points, coco_counts
from rtseg.evaluation.dataset.json_files import coco_files
from rtseg.evaluation.dataset.left_out import NO_MASK, NO_PICTURE, OTHER_SIZE, LeftOut
from rtseg.evaluation.dataset.picture_files import find_picture, is_picture, size_of, walk
from rtseg.evaluation.dataset.subject_names import subject_and_order

_BOX_ALONE = "with a box and no outline"


@dataclass(frozen=True, slots=True)
class _Record:
    """Holds what a file says of one picture."""

    source: Path
    picture: Path
    size: tuple[int, int]
    regions: tuple[AnnotatedRegion, ...] = field(default_factory=tuple)


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    return next(coco_files(folder), None) is not None


def cases(folder: Path) -> Iterator[Case]:
    """Yield each picture with its regions; what lacks a partner is logged and left out. Raises DatasetError."""
    left_out, read, names = LeftOut(folder), dict[Path, _Record](), dict[str, None]()
    for source, values in coco_files(folder):
        try:
            categories = {one["id"]: str(one["name"]) for one in values.get("categories", ())}
            names |= dict.fromkeys(categories.values())
            records = list(_records(folder, source, values, categories, left_out))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise DatasetError(f"{source} is no whole COCO file ({described(error)}): export it again") from None
        for record in records:
            if record.picture in read:
                raise DatasetError(
                    f"{record.picture} is annotated twice, in {read[record.picture].source} and {source}: keep one"
                )
            read[record.picture] = record
    for path in walk(folder):
        if is_picture(path) and path not in read:
            left_out.add(NO_MASK, str(path.relative_to(folder)))
    if empty := sum(not record.regions for record in read.values()):
        left_out.note(f"{empty} of {len(read)} pictures have no annotation: they show no class")
    left_out.report(len(read))
    return (_case(folder, record, tuple(names)) for record in read.values())


def _records(
    folder: Path, source: Path, values: Mapping[str, Any], categories: Mapping[Any, str], left_out: LeftOut
) -> Iterator[_Record]:
    """Yield the record of each picture that is there. Raises ValueError, KeyError, TypeError, DatasetError."""
    of_picture: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for one in values["annotations"]:
        of_picture[one["image_id"]].append(one)
    places = source.parent, source.parent / "images", source.parent.parent, source.parent.parent / "images"
    for image in values["images"]:
        name = str(image["file_name"])
        picture = find_picture(folder, places, name)
        size = size_of(picture) if picture else None
        if picture is None or size is None:
            left_out.add(NO_PICTURE, name)
        elif size != (image.get("height", size[0]), image.get("width", size[1])):
            left_out.add(OTHER_SIZE, name)
        elif any(not one.get("segmentation") for one in of_picture[image["id"]]):
            left_out.add(_BOX_ALONE, name)
        else:
            regions = tuple(_region(one, categories, size) for one in of_picture[image["id"]])
            yield _Record(source, picture, size, regions)


def _region(annotation: Mapping[str, Any], categories: Mapping[Any, str], size: tuple[int, int]) -> AnnotatedRegion:
    """Return the region of an annotation. Raises ValueError, KeyError, TypeError."""
    name, drawn = categories[annotation["category_id"]], annotation["segmentation"]
    if isinstance(drawn, Mapping):
        counts = drawn["counts"]
        runs = coco_counts(counts) if isinstance(counts, str) else tuple(int(one) for one in counts)
        region = RunLengthRegion(name, runs, (int(drawn["size"][0]), int(drawn["size"][1])))
        region.mask(size)  # run lengths that do not fill the picture are told at once
        return region
    return PolygonRegion(name, tuple(as_points(polygon) for polygon in drawn))


def _case(folder: Path, record: _Record, names: tuple[str, ...]) -> Case:
    name = record.picture.relative_to(folder).with_suffix("").as_posix()
    subject, order = subject_and_order(name)
    annotation = DrawnRegions(record.source, record.size, record.regions, names)
    return Case(name, subject, order, record.picture, record.source, annotation=annotation)
