"""Reads the JSON files beside a dataset's pictures, and tells LabelMe's from COCO's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtseg.errors import DatasetError, described
from rtseg.evaluation.dataset.picture_files import walk

_COCO = frozenset({"images", "annotations"})
_LABELME = frozenset({"shapes", "imagePath"})


def coco_files(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the files of COCO's form in a folder and its folders, with their values."""
    return ((path, values) for path, values in _tables(folder) if values.keys() >= _COCO)


def labelme_files(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the files of LabelMe's form in a folder and its folders, with their values."""
    return ((path, values) for path, values in _tables(folder) if values.keys() >= _LABELME)


def _tables(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in walk(folder) if folder.is_dir() else ():
        if path.suffix.lower() == ".json":
            try:
                values = json.loads(path.read_text(encoding="utf-8-sig"))
            except (OSError, ValueError, RecursionError) as error:
                raise DatasetError(f"{path} is no JSON ({described(error)}): mend or remove it") from None
            if isinstance(values, dict):
                yield path, values
