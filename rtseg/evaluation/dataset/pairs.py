"""Reads pictures with their masks beside them: x.png with x_mask.png, x-mask.png, x_seg.png or x_gt.png, in any folders.

A picture may have several masks, as in BUSI (x_mask.png, x_mask_1.png), which are joined. BUSI: W. Al-Dhabyani et al., "Dataset
of breast ultrasound images", Data in Brief 28, 2020; its folder `normal` has empty masks.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset.annotation import MaskUnion
from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.left_out import NO_MASK, NO_PICTURE, OTHER_SIZE, LeftOut
from rtseg.evaluation.dataset.picture_files import is_picture, size_of, stem_of, walk
from rtseg.evaluation.dataset.subject_names import leading_subject, subject_and_order

_MASK = re.compile(r"(?P<picture>.+?)[ _-](?:masks?|seg|segmentation|gt|labels?)(?:[ _-]?\d+)?", re.IGNORECASE)

_Key = tuple[Path, str]  # folder and stem


def without_mask_word(stem: str) -> str:
    """Return the stem of the picture that a mask's stem belongs to; the stem itself where it names no mask."""
    found = _MASK.fullmatch(stem)
    return found["picture"] if found else stem


def has_layout(folder: Path) -> bool:
    """Return True if a folder has this layout."""
    pictures, masks = _sorted_files(folder)
    return any(key in pictures for key in masks)


def cases(folder: Path) -> Iterator[Case]:
    """Yield each picture with its masks; what has no partner, or another size, is logged and left out. Raises DatasetError."""
    pictures, masks = _sorted_files(folder)
    left_out, found = LeftOut(folder), list[Case]()
    for key, paths in masks.items():
        if key not in pictures:
            for path in paths:
                left_out.add(NO_PICTURE, str(path.relative_to(folder)))
    for key, picture in pictures.items():
        name = str(picture.relative_to(folder))
        paths = masks.get(key, [])
        if not paths:
            left_out.add(NO_MASK, name)
        elif {size_of(path) for path in paths} != {size_of(picture)}:
            left_out.add(OTHER_SIZE, name)
        else:
            found.append(_case(folder, picture, paths))
    left_out.report(len(found))
    return iter(found)


def _sorted_files(folder: Path) -> tuple[dict[_Key, Path], dict[_Key, list[Path]]]:
    """Return the pictures, and the masks by the picture that they belong to. Raises DatasetError for one name twice."""
    pictures: dict[_Key, Path] = {}
    masks: defaultdict[_Key, list[Path]] = defaultdict(list)
    files = [path for path in walk(folder) if is_picture(path)] if folder.is_dir() else []
    stems = {(path.parent, stem_of(path)) for path in files}
    for path in files:
        stem = stem_of(path)
        owner = without_mask_word(stem)
        is_mask = owner != stem and ((path.parent, owner) in stems or (path.parent, without_mask_word(owner)) not in stems)
        if is_mask:
            masks[path.parent, owner].append(path)
        elif (path.parent, stem) in pictures:
            raise DatasetError(f"two pictures of {path.parent} are named {stem!r}: keep one of them")
        else:
            pictures[path.parent, stem] = path
    return pictures, masks


def _case(folder: Path, picture: Path, masks: list[Path]) -> Case:
    inside, stem = picture.parent.relative_to(folder), stem_of(picture)
    subject, order = subject_and_order(stem)
    parent = leading_subject(picture.parent.name) if inside.parts else ""
    name = (inside / stem).as_posix()
    owner = inside.as_posix() if parent else (inside / subject).as_posix()
    annotation = MaskUnion(tuple(masks)) if len(masks) > 1 else None
    return Case(name, owner, order, picture, masks[0], annotation=annotation)
