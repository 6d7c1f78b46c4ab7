"""A model measured on a folder of images and masks: every measure, for each class and each image."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np

from rtseg.evaluation.dataset import Case, open_dataset, scans
from rtseg.evaluation.metrics import PIXELS, Scores, score, summary
from rtseg.frame import Frame, Segmentation
from rtseg.measure.head import head_biometry

OVERLAPS = ("dice", "iou", "precision", "recall")
DISTANCES = ("hausdorff", "hd95")
HEAD = "head"  # the class whose circumference is compared with the expert's


class Segmenter(Protocol):
    """What can be measured: a Session, or a peer behind the same three names."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, without the background."""

    def step(self, frame: Frame) -> Segmentation:
        """Segment the next frame of a subject."""

    def reset(self, reason: str) -> None:
        """Forget the subject."""


@dataclass(frozen=True, slots=True)
class CaseScores:
    """How well each class was found in one image; `classes` is by name.

    head_circumference_mm: the expert's and ours, where the expert measured it and a head was found.
    """

    name: str
    subject: str
    classes: Mapping[str, Scores]
    head_circumference_mm: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a model on a dataset. unit: of distances, "mm" where the pixel size of every image is known, else "px"."""

    model: str
    data: str
    unit: str
    images: tuple[CaseScores, ...]

    @property
    def subjects(self) -> int:
        """How many people, or exams, were measured."""
        return len({image.subject for image in self.images})

    def summary(self, name: str) -> dict[str, Any]:
        """Each measure over the images that hold the class `name`; its worst 5 % begin at p5, of a distance at p95.

        An image where neither truth nor prediction holds the class says nothing about it: it is counted as `absent` and left
        out (as in nnU-Net and MONAI), since a perfect 1 for each would lift the mean of a rare class. `missed`: only the truth
        holds it; `invented`: only the prediction does. A figure over no image is None.
        """
        scores = [image.classes[name] for image in self.images]
        present = [found for found in scores if found.truth_px or found.predicted_px]
        counts = {
            "absent": len(scores) - len(present),
            "missed": sum(not found.predicted_px for found in present),
            "invented": sum(not found.truth_px for found in present),
        }
        overlaps = {measure: _over(present, measure, 5) for measure in OVERLAPS}
        distances = {measure: _over(present, measure, 95) | {"unit": self.unit} for measure in DISTANCES}
        return counts | overlaps | distances

    def measurements(self) -> dict[str, Any]:
        """What an expert measured, too: mean absolute and mean signed error, its deviation, and over how many images."""
        pairs = [image.head_circumference_mm for image in self.images if image.head_circumference_mm]
        errors = np.array([found - expert for expert, found in pairs])
        if not errors.size:
            return {}
        figures = {"mae": float(np.abs(errors).mean()), "mean_error": float(errors.mean()), "std": float(errors.std())}
        return {"head_circumference_mm": figures | {"n": len(pairs)}}

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain values."""
        return {
            "model": self.model,
            "data": self.data,
            "frames": len(self.images),
            "subjects": self.subjects,
            "classes": {name: self.summary(name) for name in self.images[0].classes},
            "measurements": self.measurements(),
            "images": [asdict(image) for image in self.images],
        }


def evaluate(
    session: Segmenter,
    folder: Path | str,
    *,
    model: str,
    cases: Sequence[Case] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a session on FOLDER/images against FOLDER/masks.

    The images of a subject are one stream in the order of time, and nothing is remembered from one subject to the next.
    model: the name to report. cases: those of the folder that count, None: all. progress: called with (done, all) after each
    image. Raises DatasetError, EngineError.
    """
    cases = open_dataset(folder) if cases is None else cases
    known = all(case.spacing_mm for case in cases)
    images = []
    for scores in _measured(session, cases, in_mm=known):
        images.append(scores)
        if progress:
            progress(len(images), len(cases))
    return Evaluation(model, str(folder), "mm" if known else "px", tuple(images))


def _measured(session: Segmenter, cases: Sequence[Case], *, in_mm: bool) -> Iterator[CaseScores]:
    for subject, scan in scans(cases).items():
        session.reset(f"next subject: {subject}")
        for index, case in enumerate(scan):
            yield _scores(session, case, index, in_mm=in_mm)


def _scores(session: Segmenter, case: Case, index: int, *, in_mm: bool) -> CaseScores:
    image, truth = case.image_and_labels(len(session.classes))
    found = session.step(Frame(image, index, perf_counter_ns()))
    spacing = case.spacing_mm if in_mm and case.spacing_mm else PIXELS
    classes = {
        name: score(truth == label, found.labels == label, spacing) for label, name in enumerate(session.classes, start=1)
    }
    return CaseScores(case.name, case.subject, classes, _head_circumference(case, found))


def _head_circumference(case: Case, found: Segmentation) -> tuple[float, float] | None:
    """The expert's and ours, in millimetres."""
    if case.head_circumference_mm is None or case.spacing_mm is None or HEAD not in found.classes:
        return None
    biometry = head_biometry(found.mask(HEAD), case.spacing_mm)
    return (case.head_circumference_mm, biometry.hc) if biometry else None


def _over(scores: list[Scores], measure: str, tail: int) -> dict[str, Any]:
    """The summary of one measure; JSON has no NaN, so that an unknown figure is None."""
    figures = summary([getattr(found, measure) for found in scores], tail)
    return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}
