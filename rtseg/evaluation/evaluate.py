"""Evaluates a model on a folder of images and masks: every metric, for each class and each image."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np

from rtseg.evaluation.dataset import Case, open_dataset, scans
from rtseg.evaluation.metrics import PIXELS, Scores, score, summary
from rtseg.frame import Frame, Labels, Segmentation
from rtseg.measure.head import head_biometry
from rtseg.wall_clock import utc_now

OVERLAPS = ("dice", "iou", "precision", "recall", "accuracy", "f1")
DISTANCES = ("hausdorff", "hd95")
LEGEND = {
    "dice": "2 TP / (2 TP + FP + FN) of the class against all other pixels",
    "f1": "2 P R / (P + R) of precision P and recall R; for one class it is the Dice coefficient, in every image",
    "accuracy": "(TP + TN) / all pixels of the image, background included; near 1 for a small structure even if it is missed",
    "overall accuracy": "the share of all pixels of an image whose label, background or class, is the right one",
    "overall f1": "macro average: the unweighted mean, over the classes in an image's truth or prediction, of the class's F1",
}
HEAD = "head"  # class whose circumference is compared with the expert's


class Segmenter(Protocol):
    """Describes an object that can be evaluated: a `Session`, or a baseline with the same three members."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, without the background."""

    def step(self, frame: Frame) -> Segmentation:
        """Segment the next frame of a subject."""

    def reset(self, reason: str) -> None:
        """Reset the recurrent state between subjects."""


@dataclass(frozen=True, slots=True)
class CaseScores:
    """Holds the scores of one image."""

    name: str  # of the image
    subject: str
    classes: Mapping[str, Scores]  # by class name
    head_circumference_mm: tuple[float, float] | None = None  # (expert's, ours), if both are known
    accuracy: float = field(kw_only=True)  # share of all pixels with the right label, background included, in [0, 1]

    @property
    def f1(self) -> float | None:
        """Return the macro F1: the unweighted mean over the classes in truth or prediction; None without any."""
        present = [found.f1 for found in self.classes.values() if found.truth_px or found.predicted_px]
        return fmean(present) if present else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Holds the scores of a model on a dataset."""

    model: str  # name of the model
    data: str  # path of the dataset
    unit: str  # of distances: "mm" if the pixel size of every image is known, else "px"
    images: tuple[CaseScores, ...]
    began_at: str | None = None  # wall-clock time at which the evaluation began, ISO 8601 in UTC; None: unknown

    @property
    def subjects(self) -> int:
        """Return the number of subjects (people or exams)."""
        return len({image.subject for image in self.images})

    def summary(self, name: str) -> dict[str, Any]:
        """Return the statistics of each metric over the images that contain the class `name`.

        The worst 5 % lie below p5, or above p95 for distances. An image without the class in ground truth and prediction is
        counted as `absent` and left out (as in nnU-Net and MONAI): a perfect 1 for each would raise the mean of a rare class.
        `missed`: only the ground truth contains it. `invented`: only the prediction does. A statistic of no image is None.
        """
        scores = [image.classes[name] for image in self.images]
        present = [found for found in scores if found.truth_px or found.predicted_px]
        counts = {
            "absent": len(scores) - len(present),
            "missed": sum(not found.predicted_px for found in present),
            "invented": sum(not found.truth_px for found in present),
        }
        overlaps = {measure: _summarize(present, measure, 5) for measure in OVERLAPS}
        distances = {measure: _summarize(present, measure, 95) | {"unit": self.unit} for measure in DISTANCES}
        return counts | overlaps | distances

    def overall(self) -> dict[str, Any]:
        """Return the statistics over the images of two metrics of all classes together; `LEGEND` defines them.

        accuracy: the share of an image's pixels with the right label, over every image. f1: the macro average over the classes
        in an image's ground truth or prediction; images without any class are counted as `absent` and left out.
        """
        present = [image.f1 for image in self.images if image.f1 is not None]
        return {
            "absent": len(self.images) - len(present),
            "accuracy": _statistics([image.accuracy for image in self.images], 5),
            "f1": _statistics(present, 5) | {"average": "macro"},
        }

    def measurements(self) -> dict[str, Any]:
        """Return the errors of measurements that an expert made too.

        Each has the mean absolute error, the mean signed error, its standard deviation, and the number of images.
        """
        pairs = [image.head_circumference_mm for image in self.images if image.head_circumference_mm]
        errors = np.array([found - expert for expert, found in pairs])
        if not errors.size:
            return {}
        figures = {"mae": float(np.abs(errors).mean()), "mean_error": float(errors.mean()), "std": float(errors.std())}
        return {"head_circumference_mm": figures | {"n": len(pairs)}}

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as plain values."""
        return {
            "model": self.model,
            "data": self.data,
            "began_at": self.began_at,
            "frames": len(self.images),
            "subjects": self.subjects,
            "classes": {name: self.summary(name) for name in self.images[0].classes},
            "overall": self.overall(),
            "legend": LEGEND,
            "measurements": self.measurements(),
            "images": [asdict(image) | {"f1": image.f1} for image in self.images],
        }


def evaluate(
    session: Segmenter,
    folder: Path | str,
    *,
    model: str,
    cases: Sequence[Case] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a session on FOLDER/images against FOLDER/masks.

    The images of a subject form one stream in order of time; the session is reset between subjects.
    model: name for the report. cases: the cases to evaluate, None: all of the folder. progress: called with (done, all) after
    each image. Raises DatasetError, EngineError.
    """
    began_at, cases = utc_now(), open_dataset(folder) if cases is None else cases
    known = all(case.spacing_mm for case in cases)
    images = []
    for scores in _measured(session, cases, in_mm=known):
        images.append(scores)
        if progress:
            progress(len(images), len(cases))
    return Evaluation(model, str(folder), "mm" if known else "px", tuple(images), began_at)


def _measured(session: Segmenter, cases: Sequence[Case], *, in_mm: bool) -> Iterator[CaseScores]:
    for subject, scan in scans(cases).items():
        session.reset(f"next subject: {subject}")
        for index, case in enumerate(scan):
            yield _scores(session, case, index, in_mm=in_mm)


def _scores(session: Segmenter, case: Case, index: int, *, in_mm: bool) -> CaseScores:
    image, truth = case.image_and_labels(session.classes)
    found = session.step(Frame(image, index, perf_counter_ns()))
    spacing = case.spacing_mm if in_mm and case.spacing_mm else PIXELS
    classes = {
        name: score(truth == label, found.labels == label, spacing) for label, name in enumerate(session.classes, start=1)
    }
    circumference = _head_circumference(case, found)
    return CaseScores(case.name, case.subject, classes, circumference, accuracy=_label_accuracy(truth, found.labels))


def _label_accuracy(truth: Labels, found: Labels) -> float:
    """Return the share of pixels (H, W) whose labels agree; `score` has checked the shapes, unless there is no class."""
    return float(np.mean(truth == found))


def _head_circumference(case: Case, found: Segmentation) -> tuple[float, float] | None:
    """Return the expert's head circumference and ours in millimeters, or None if either is unknown."""
    if case.head_circumference_mm is None or case.spacing_mm is None or HEAD not in found.classes:
        return None
    biometry = head_biometry(found.mask(HEAD), case.spacing_mm, found.outline_px)
    return (case.head_circumference_mm, biometry.hc) if biometry else None


def _summarize(scores: list[Scores], measure: str, tail: int) -> dict[str, Any]:
    """Return the statistics of one metric."""
    return _statistics([getattr(found, measure) for found in scores], tail)


def _statistics(values: Sequence[float], tail: int) -> dict[str, Any]:
    """Return the statistics of values; unknown ones are None, because JSON has no NaN."""
    figures = summary(values, tail)
    return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}
