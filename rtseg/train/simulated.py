"""Stills set in motion, with the exact truth of each frame: what a memory is measured on. Nobody moved like this."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.evaluation.dataset import Case
from rtseg.frame import Image, Labels
from rtseg.train.augment import Speckle, degrade
from rtseg.train.clips import Still, middle, render, still
from rtseg.train.motion import Motion, Pulse, similarity

_ZOOM = 0.93  # of the still's size: what moves in from beyond its edge stays out of the picture
_BEAT, _DEPTH = 0.048, 0.12  # beats a frame, 72 a minute at 25 frames a second; of the distance from the middle
_DRIFT, _ELASTIC, _SPECKLE = 0.6, 0.4, 0.12
_SPOILT_EVERY, _SPOILT_FRAMES = 15, 3  # frames


def simulated(case: Case, n_classes: int, seed: int, *, spoilt: bool = False) -> Iterator[tuple[Image, Labels]]:
    """A still in motion without end: frames (H, W) uint8, 320 pixels long, and their labels, alike.

    The probe wanders, tissue bends, what is labelled beats, speckle decorrelates. spoilt: of every 15 frames the last three
    have lost something: to a shadow, dropout, noise, blur or gain. Raises DatasetError.
    """
    one, rng = still(case, n_classes), np.random.default_rng(seed)
    size = (one.image.shape[0], one.image.shape[1])
    centre = np.array([size[1] - 1, size[0] - 1]) / 2
    motion = Motion(size, similarity(0.0, _ZOOM, centre, centre), rng, drift=_DRIFT, elastic=_ELASTIC)
    speckle, pulse, frame = Speckle(rng, size, _SPECKLE), _pulse(one), 0
    while True:
        moved, truth = render(one, motion, float(frame), pulse)
        picture = np.asarray(moved * speckle.next(rng), np.float32)
        if spoilt and frame % _SPOILT_EVERY >= _SPOILT_EVERY - _SPOILT_FRAMES:
            picture = degrade(picture, rng, middle(truth))
        yield np.clip(picture, 0, 255).astype(np.uint8), _labels(truth)
        frame += 1


def _labels(truth: npt.NDArray[np.float32]) -> Labels:
    """Of classes (K, H, W) that cover parts of pixels, the one that covers most of each, if it covers half."""
    return np.where(truth.max(0) >= 0.5, truth.argmax(0) + 1, 0).astype(np.uint8)


def _pulse(one: Still) -> Pulse | None:
    area = float(one.truth.sum(dtype=np.float64)) / 255
    return Pulse(middle(one.truth), float(np.sqrt(area / np.pi)), _DEPTH, _BEAT, 0.0) if area else None
