"""The pictures that a model did worst on, with the expert's outline beside its own: where it fails is seen, and not guessed."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.evaluation.dataset import Case
from rtseg.evaluation.evaluate import CaseScores, Evaluation, Segmenter
from rtseg.frame import Frame, Image, Labels, Segmentation

TRUTH, FOUND = (0, 200, 0), (255, 160, 0)  # RGB: the expert's outline green, the model's orange
_TILE, _COLUMNS = 320, 4  # pixels a side of a tile, and tiles a row


class Kept:
    """A segmenter that remembers, coded, the labels that it gave: some kilobytes a picture."""

    def __init__(self, session: Segmenter) -> None:
        self._session = session
        self._labels: list[Image] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, without the background."""
        return self._session.classes

    def step(self, frame: Frame) -> Segmentation:
        """Segment the next frame of a subject."""
        found = self._session.step(frame)
        self._labels.append(cv2.imencode(".png", found.labels)[1].astype(np.uint8, copy=False))
        return found

    def reset(self, reason: str) -> None:
        """Forget the subject."""
        self._session.reset(reason)

    def labels(self, place: int) -> Labels:
        """What was found in the picture at a place in the order of the steps, (H, W) uint8."""
        return np.asarray(cv2.imdecode(self._labels[place], cv2.IMREAD_UNCHANGED), np.uint8)


def worst(evaluation: Evaluation, most: int) -> list[int]:
    """The places of the images of the lowest mean Dice, the lowest first."""
    order = sorted(range(len(evaluation.images)), key=lambda place: dice(evaluation.images[place]))
    return [place for place in order if not math.isnan(dice(evaluation.images[place]))][:most]


def dice(scores: CaseScores) -> float:
    """An image's Dice, the mean over the classes that it holds or should hold; NaN where that is none."""
    values = [found.dice for found in scores.classes.values() if found.truth_px or found.predicted_px]
    return sum(values) / len(values) if values else math.nan


def sheet(evaluation: Evaluation, cases: Sequence[Case], kept: Kept, most: int = 8) -> Image:
    """The worst images as tiles (H, W, 3) RGB, each with its name and Dice. cases: those that were evaluated, in any order."""
    by_name = {case.name: case for case in cases}
    tiles = [
        _tile(by_name[evaluation.images[place].name], evaluation.images[place], kept.labels(place), len(kept.classes))
        for place in worst(evaluation, most)
    ]
    blank = np.zeros((_TILE, _TILE, 3), np.uint8)
    rows = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)] or [[blank]]
    width = max(len(row) for row in rows)
    return np.vstack([np.hstack([*row, *[blank] * (width - len(row))]) for row in rows])


def png(picture: Image) -> bytes:
    """A picture (H, W, 3) RGB as a PNG file's content."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _tile(case: Case, scores: CaseScores, found: Labels, n_classes: int) -> Image:
    picture = cv2.cvtColor(case.grey(), cv2.COLOR_GRAY2RGB)
    scale = _TILE / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for labels, colour in ((case.labels(n_classes), TRUTH), (found, FOUND)):
        _outline(small, cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False), colour)
    tile = np.zeros((_TILE, _TILE, 3), np.uint8)
    tile[: size[1], : size[0]] = small
    text = f"{case.name}  {dice(scores):.3f}"
    cv2.putText(tile, text, (6, _TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def _outline(picture: Image, labels: Labels, colour: tuple[int, int, int]) -> None:
    for label in range(1, int(labels.max()) + 1):
        contours, _ = cv2.findContours((labels == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, colour, 1)
