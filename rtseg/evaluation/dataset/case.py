"""One image and its mask, and who was scanned, and when."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import pictures
from rtseg.evaluation.dataset.mask_values import Values, filled, labels_of, whole
from rtseg.frame import Image, Labels, Spacing

NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Case:
    """One image and its mask.

    subject: who or what was scanned: never split it over training and test. order: the place in the recording's time.
    spacing_mm: millimetres a pixel (down, along), None where unknown. head_circumference_mm: the expert's, where measured.
    recording: which of the subject's, empty where there is but one. frame: which one of files that hold several.
    outlined: the mask file shows the class's outline alone, and all inside it counts.
    """

    name: str
    subject: str
    order: int
    image_path: Path
    mask_path: Path
    spacing_mm: Spacing | None = None
    head_circumference_mm: float | None = None
    recording: str = ""
    frame: int = 0
    outlined: bool = False

    def image(self) -> Image:
        """(H, W) grey or (H, W, 3) RGB, uint8. Raises DatasetError."""
        pixels = _read_image(self.image_path, self.frame)
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def grey(self) -> Image:
        """(H, W) uint8, colour by its BT.601 luma. Raises DatasetError."""
        pixels = _read_image(self.image_path, self.frame)
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)

    def labels(self, n_classes: int) -> Labels:
        """(H, W) uint8: 0 background, i + 1 the i-th class. Raises DatasetError."""
        values = whole(_read_mask(self.mask_path, self.frame), self.mask_path)
        return labels_of(filled(values, self.mask_path) if self.outlined else values, n_classes, self.mask_path)

    def image_and_labels(self, n_classes: int) -> tuple[Image, Labels]:
        """Both, checked to be of one size. Raises DatasetError."""
        image, labels = self.image(), self.labels(n_classes)
        if image.shape[:2] != labels.shape:
            raise DatasetError(
                f"{self.image_path} is {image.shape[:2]} and its mask {labels.shape}: draw the mask on the image"
            )
        return image, labels


def scans(cases: Iterable[Case]) -> dict[str, tuple[Case, ...]]:
    """The cases of each recording, in the order of time, by the name of its subject and its own."""
    ordered = sorted(cases, key=lambda case: (_scan(case), case.order, case.name))
    return {scan: tuple(group) for scan, group in groupby(ordered, key=_scan)}


def split(cases: Iterable[Case], held_out: Iterable[str]) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """The cases of all other subjects, and those of the held-out ones. Raises DatasetError."""
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


def _read_image(path: Path, frame: int) -> Image:
    """The pixels of a file, grey or BGR. Raises DatasetError, MissingExtra."""
    if path.name.endswith(NIFTI):
        from rtseg.evaluation.dataset import nifti

        return nifti.read_image(path, frame)
    return pictures.read_image(path)


def _read_mask(path: Path, frame: int) -> Values:
    """The values of a file, (H, W). Raises DatasetError, MissingExtra."""
    if path.name.endswith(NIFTI):
        from rtseg.evaluation.dataset import nifti

        return nifti.read_mask(path, frame)
    return pictures.read_mask(path)
