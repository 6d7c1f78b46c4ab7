"""Measures whether a network follows an operator's marks: `python -m rtseg.train.mark_sensitivity MODEL CONFIG OUT.json`.

On the subjects that CONFIG holds out: the Dice with marks planted anywhere and with those at the border removed, and how often
a class is found in crops without it, plain and with marks, and in the pictures of other anatomies that the training left out.
"""

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.load import load_engine
from rtseg.evaluation.dataset import Case, open_dataset, split
from rtseg.frame import Frame, Image, Labels
from rtseg.output.atomic_file import write_atomically
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.text.safe_text import json_text
from rtseg.train.calliper_marks import plant_marks, without_marks
from rtseg.train.config import TrainConfig, read_config
from rtseg.train.negatives import crop_without_classes, unseen_cases
from rtseg.train.still_image import StillImage

_PICTURES = 60  # of each other anatomy
_RESAMPLES = 2000


class _StillSegmenter:
    """Segments single pictures, each without a memory of those before."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def labels(self, image: Image) -> Labels:
        self._session.reset("next picture")
        return self._session.step(Frame(image, 0, 0)).labels


def mark_sensitivity(session: Session, config: TrainConfig) -> dict[str, Any]:
    """Return the measures as plain values. Raises DatasetError, EngineError."""
    segmenter = _StillSegmenter(session)
    cases = split(open_dataset(config.data.folder), config.data.held_out)[1]
    dice: dict[str, list[float]] = {"plain": [], "marks_planted": [], "border_marks_removed": []}
    found: dict[str, list[bool]] = {"crops": [], "crops_with_marks": []}
    for place, case in enumerate(cases):
        rng, still = np.random.default_rng(place), _still(case, config.classes)
        variants = (still.image, _marked(still.image, rng), without_marks(still.image, still.truth))
        for values, image in zip(dice.values(), variants, strict=True):
            values.append(_dice(segmenter.labels(image), still.truth.max(0)))
        if crop := crop_without_classes(still, rng):
            found["crops"].append(bool(segmenter.labels(crop.image).any()))
            found["crops_with_marks"].append(bool(segmenter.labels(_marked(crop.image, rng)).any()))
    subjects = [case.subject for case in cases]
    return {
        "pictures": len(cases),
        "dice": {name: _interval(values, subjects) for name, values in dice.items()},
        "dice_change": {name: _interval(np.subtract(dice[name], dice["plain"]), subjects) for name in list(dice)[1:]},
        "class_found": {name: {"share": float(np.mean(values)), "pictures": len(values)} for name, values in found.items()},
        "only_with_marks": sum(marked and not plain for plain, marked in zip(*found.values(), strict=True)),
        "other_anatomies": {folder: _other(segmenter, folder) for folder in config.data.other_folders},
    }


def _still(case: Case, classes: Sequence[str]) -> StillImage:
    labels = case.labels(classes)
    return StillImage(
        case.subject, case.grey(), np.stack([255 * (labels == k + 1).astype(np.uint8) for k in range(len(classes))])
    )


def _marked(image: Image, rng: np.random.Generator) -> Image:
    return np.asarray(np.rint(plant_marks(image[None].astype(np.float32), rng)[0]), np.uint8)


def _dice(found: Labels, truth: Labels) -> float:
    """Return the Dice of two label images (H, W), with all classes as one."""
    both, either = int(np.sum((found > 0) & (truth > 0))), int(np.sum(found > 0) + np.sum(truth > 0))
    return 2 * both / max(1, either)


def _interval(values: Iterable[float], subjects: list[str]) -> dict[str, Any]:
    """Return the mean of values and its 95 % interval over resampled subjects."""
    names, groups = np.unique(subjects, return_inverse=True)
    sums, counts = np.bincount(groups, list(values)), np.bincount(groups)
    drawn = np.random.default_rng(1).integers(len(names), size=(_RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return {"mean": float(sums.sum() / counts.sum()), "interval": np.percentile(means, (2.5, 97.5)).tolist()}


def _other(segmenter: _StillSegmenter, folder: str) -> dict[str, Any]:
    cases = unseen_cases(folder, _PICTURES)
    return {"share": float(np.mean([segmenter.labels(case.grey()).any() for case in cases])), "pictures": len(cases)}


def main(model: str, config_path: str, out: str) -> None:
    """Write the measures of a model as JSON. Raises ConfigError, DatasetError, EngineError, ModelError."""
    config = read_config(config_path)
    with closing(load_engine(model, threads=1)) as engine:
        report = mark_sensitivity(Session(engine, locator=WholeFrame(), temporal=None), config)
    write_atomically(Path(out), (json_text({"model": model} | report, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(*sys.argv[1:4])
