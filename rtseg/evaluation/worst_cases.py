"""Draws a contact sheet of a model's worst images, with the expert's outline and the model's."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from rtseg.evaluation.dataset import Case, Classes
from rtseg.evaluation.evaluate import CaseScores, Evaluation, Segmenter
from rtseg.frame import Frame, Image, Labels, Segmentation
from rtseg.session.redaction import RedactionMode, Redactor
from rtseg.session.sector import SectorFinder

TRUTH_COLOR, PREDICTION_COLOR = (0, 200, 0), (255, 160, 0)  # RGB: the expert's outline is green, the model's orange
_TILE, _COLUMNS = 320, 4  # side of a tile in pixels, and tiles a row


class LabelRecorder:
    """Wraps a segmenter and records its labels, compressed to some kilobytes a picture."""

    def __init__(self, session: Segmenter) -> None:
        self._session = session
        self._labels: list[Image] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, without the background."""
        return self._session.classes

    def step(self, frame: Frame) -> Segmentation:
        """Segment the next frame of a subject."""
        found = self._session.step(frame)
        self._labels.append(cv2.imencode(".png", found.labels)[1].astype(np.uint8, copy=False))
        return found

    def reset(self, reason: str) -> None:
        """Reset the recurrent state between subjects."""
        self._session.reset(reason)

    def labels(self, place: int) -> Labels:
        """Return the labels (H, W) uint8 of a frame. place: its position in the order of the steps."""
        return np.asarray(cv2.imdecode(self._labels[place], cv2.IMREAD_UNCHANGED), np.uint8)


def worst_images(evaluation: Evaluation, most: int) -> list[int]:
    """Return the positions of up to `most` images with the lowest mean Dice, lowest first."""
    order = sorted(range(len(evaluation.images)), key=lambda place: image_dice(evaluation.images[place]))
    return [place for place in order if not math.isnan(image_dice(evaluation.images[place]))][:most]


def image_dice(scores: CaseScores) -> float:
    """Return an image's mean Dice over the classes in its ground truth or prediction; NaN without any."""
    values = [found.dice for found in scores.classes.values() if found.truth_px or found.predicted_px]
    return sum(values) / len(values) if values else math.nan


def contact_sheet(
    evaluation: Evaluation,
    cases: Sequence[Case],
    recorder: LabelRecorder,
    most: int = 8,
    redact: RedactionMode = RedactionMode.AUTO,
) -> Image:
    """Draw the worst images as tiles with name and Dice; return a picture (H, W, 3) RGB.

    cases: the evaluated cases, in any order. most: maximum number of tiles. redact: how letters in the images are blacked.
    Raises DatasetError.
    """
    by_name = {case.name: case for case in cases}
    tiles = [
        _tile(by_name[scores.name], scores, recorder.labels(place), recorder.classes, redact)
        for place in worst_images(evaluation, most)
        for scores in [evaluation.images[place]]
    ]
    blank = np.zeros((_TILE, _TILE, 3), np.uint8)
    rows = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)] or [[blank]]
    width = max(len(row) for row in rows)
    return np.vstack([np.hstack([*row, *[blank] * (width - len(row))]) for row in rows])


def encode_png(picture: Image) -> bytes:
    """Encode a picture (H, W, 3) RGB as PNG."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _tile(case: Case, scores: CaseScores, found: Labels, classes: Classes, redact: RedactionMode) -> Image:
    frame = Frame(case.grey(), 0, 0)
    sector, _ = SectorFinder().observe(frame)
    picture = cv2.cvtColor(Redactor(redact).redact(frame, sector).image, cv2.COLOR_GRAY2RGB)
    scale = _TILE / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for labels, color in ((case.labels(classes), TRUTH_COLOR), (found, PREDICTION_COLOR)):
        _outline(small, cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False), color)
    tile = np.zeros((_TILE, _TILE, 3), np.uint8)
    tile[: size[1], : size[0]] = small
    text = f"{case.name}  {image_dice(scores):.3f}"
    cv2.putText(tile, text, (6, _TILE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def _outline(picture: Image, labels: Labels, color: tuple[int, int, int]) -> None:
    for label in range(1, int(labels.max()) + 1):
        contours, _ = cv2.findContours((labels == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, color, 1)
