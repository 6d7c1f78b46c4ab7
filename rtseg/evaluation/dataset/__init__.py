"""Reads images with masks from disk as cases with their subject and their order in time."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import camus, coco, ddti, folder, hc18, labelme, nnunet, pairs, video_masks
from rtseg.evaluation.dataset.annotation import Classes, class_places, count_of
from rtseg.evaluation.dataset.case import Case, scans, split
from rtseg.evaluation.dataset.near_duplicates import find_near_duplicates
from rtseg.text.log_records import get_logger

__all__ = ["Case", "Classes", "count_of", "find_near_duplicates", "open_dataset", "report_names", "scans", "split"]

_log = get_logger(__name__)

_CERTAIN = (hc18, camus, folder, nnunet)  # told by the names of their files and folders alone, the first that fits
_OTHERS = {
    "masks beside the pictures": pairs,
    "COCO": coco,
    "LabelMe": labelme,
    "DDTI": ddti,
    "videos with masks": video_masks,
}


def open_dataset(path: Path | str) -> tuple[Case, ...]:
    """Return the cases of a folder, ordered by subject, recording and time.

    path: a folder in one of the layouts of docs/own-data.md, read as it is. What has no partner is logged and left out, except
    in images/ and masks/, where it is refused. Raises DatasetError, also for a folder of several layouts, and MissingExtra.
    """
    path = Path(path)
    layout = next((layout for layout in _CERTAIN if layout.has_layout(path)), None)
    if layout is None:
        fitting = [name for name, other in _OTHERS.items() if other.has_layout(path)]
        if len(fitting) > 1:
            raise DatasetError(f"{path} holds {' and '.join(fitting)}: which is the truth? Move the other to another folder")
        layout = _OTHERS[fitting[0]] if fitting else folder
    return tuple(sorted(layout.cases(path), key=lambda case: (case.subject, case.recording, case.order, case.name)))


def report_names(cases: Iterable[Case], classes: Sequence[str]) -> None:
    """Log once which named labels of a dataset are no class, and count as background. Raises DatasetError if none is one."""
    for names, source in {case.annotation.names: case.mask_path for case in cases if case.annotation}.items():
        if not names:
            continue
        places = class_places(names, classes, source)
        others = [name for name in names if name not in places]
        if others:
            _log.warning("%s: the labels %s are none of the classes, and count as background", source.name, ", ".join(others))
        renamed = [
            (name, classes[place - 1]) for name, place in places.items() if name.casefold() != classes[place - 1].casefold()
        ]
        for name, called in renamed:
            _log.warning("%s: its only label %r is taken for the only class %r", source.name, name, called)
