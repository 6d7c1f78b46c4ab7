"""Reads images with masks from disk as cases with their subject and their order in time."""

from pathlib import Path

from rtseg.evaluation.dataset import camus, folder, hc18
from rtseg.evaluation.dataset.case import Case, scans, split
from rtseg.evaluation.dataset.near_duplicates import find_near_duplicates

__all__ = ["Case", "find_near_duplicates", "open_dataset", "scans", "split"]


def open_dataset(path: Path | str) -> tuple[Case, ...]:
    """Return the cases of a folder, ordered by subject, recording and time.

    path: a folder with images/ and masks/ paired by stem, or HC18 or CAMUS as downloaded. Raises DatasetError, MissingExtra.
    """
    path = Path(path)
    layout = next((layout for layout in (hc18, camus) if layout.has_layout(path)), folder)
    return tuple(sorted(layout.cases(path), key=lambda case: (case.subject, case.recording, case.order, case.name)))
