"""Defines a case: one image with its mask, its subject and its order in time."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset.annotation import Annotation, Classes, count_of
from rtseg.evaluation.dataset.mask_file import NIFTI, read_image, read_mask
from rtseg.evaluation.dataset.mask_values import check_whole_numbers, fill_outline, to_labels
from rtseg.frame import Image, Labels, Spacing

__all__ = ["NIFTI", "Case", "scans", "split"]


@dataclass(frozen=True, slots=True)
class Case:
    """Holds the files of one image and its mask."""

    name: str
    subject: str  # person or object scanned; must not be split over training and test
    order: int  # position in the recording's time
    image_path: Path
    mask_path: Path
    spacing_mm: Spacing | None = None  # millimeters a pixel (down, along); None: unknown
    head_circumference_mm: float | None = None  # measured by an expert; None: unknown
    recording: str = ""  # name among the subject's recordings; empty if there is only one
    frame: int = 0  # index in files that contain several frames
    outlined: bool = False  # the mask file shows only the class's outline, and its inside counts too
    annotation: Annotation | None = None  # the truth where it is not one file of label values

    def image(self) -> Image:
        """Read the image, (H, W) gray or (H, W, 3) RGB, uint8. Raises DatasetError."""
        pixels = read_image(self.image_path, self.frame)
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def grey(self) -> Image:
        """Read the image as gray, (H, W) uint8; color is converted to BT.601 luma. Raises DatasetError."""
        pixels = read_image(self.image_path, self.frame)
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

    def labels(self, classes: Classes) -> Labels:
        """Read the labels, (H, W) uint8: 0 is the background, i + 1 the i-th class. Raises DatasetError.

        classes: the names of the classes, by which named labels are found; their number suffices for other datasets.
        """
        if self.annotation:
            return self.annotation.labels(classes)
        values = check_whole_numbers(read_mask(self.mask_path, self.frame), self.mask_path)
        return to_labels(fill_outline(values, self.mask_path) if self.outlined else values, count_of(classes), self.mask_path)

    def image_and_labels(self, classes: Classes) -> tuple[Image, Labels]:
        """Read the image and its labels, and check that their sizes agree. Raises DatasetError."""
        image, labels = self.image(), self.labels(classes)
        if image.shape[:2] != labels.shape:
            raise DatasetError(
                f"{self.image_path} is {image.shape[:2]} and its mask {labels.shape}: draw the mask on the image"
            )
        return image, labels


def scans(cases: Iterable[Case]) -> dict[str, tuple[Case, ...]]:
    """Group the cases by recording, each in order of time; the keys join the names of subject and recording."""
    ordered = sorted(cases, key=lambda case: (_scan(case), case.order, case.name))
    return {scan: tuple(group) for scan, group in groupby(ordered, key=_scan)}


def split(cases: Iterable[Case], held_out: Iterable[str]) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """Split the cases into those of the training subjects and those of the held-out subjects. Raises DatasetError."""
    ordered = [case for scan in scans(cases).values() for case in scan]
    known, wanted = {case.subject: None for case in ordered}, set(held_out)
    unknown = sorted(wanted - known.keys())
    if unknown:
        raise DatasetError(f"no subject {unknown[0]!r} to hold out: there are {', '.join(list(known)[:12])} ...")
    training = tuple(case for case in ordered if case.subject not in wanted)
    if not training:
        raise DatasetError("every subject is held out: leave some to train on")
    return training, tuple(case for case in ordered if case.subject in wanted)


def _scan(case: Case) -> str:
    return f"{case.subject} {case.recording}".strip()
