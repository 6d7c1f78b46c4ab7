"""Simulates motion of stills with exact ground truth of each frame, to evaluate temporal behavior."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.evaluation.dataset import Case, Classes
from rtseg.frame import Image, Labels
from rtseg.train.augment import Speckle, degrade
from rtseg.train.clips import centroid, render_frame
from rtseg.train.motion import Pulse, SimulatedMotion, similarity
from rtseg.train.still_image import StillImage, load_still

_ZOOM = 0.93  # crops the still's edge, so that motion does not bring its outside into view
_BEAT, _DEPTH = 0.048, 0.12  # beats a frame, 72 a minute at 25 frames a second; share of the distance from the center
_DRIFT, _ELASTIC, _SPECKLE = 0.6, 0.4, 0.12
_SPOILT_EVERY, _SPOILT_FRAMES = 15, 3  # frames


def simulate_frames(case: Case, classes: Classes, seed: int, *, spoilt: bool = False) -> Iterator[tuple[Image, Labels]]:
    """Yield endless frames of a still in motion, (H, W) uint8 with a long side of 320 pixels, and their labels.

    The probe drifts, tissue deforms, the labeled structure pulsates and speckle decorrelates. spoilt: corrupt the last three
    of every 15 frames by a shadow, dropout, noise, blur or gain. Raises DatasetError.
    """
    one, rng = load_still(case, classes), np.random.default_rng(seed)
    size = (one.image.shape[0], one.image.shape[1])
    centre = np.array([size[1] - 1, size[0] - 1]) / 2
    motion = SimulatedMotion(size, similarity(0.0, _ZOOM, centre, centre), rng, drift=_DRIFT, elastic=_ELASTIC)
    speckle, pulse, frame = Speckle(rng, size, _SPECKLE), _pulse(one), 0
    while True:
        moved, truth = render_frame(one, motion, float(frame), pulse)
        picture = np.asarray(moved * speckle.next(rng), np.float32)
        if spoilt and frame % _SPOILT_EVERY >= _SPOILT_EVERY - _SPOILT_FRAMES:
            picture = degrade(picture, rng, centroid(truth))
        yield np.clip(picture, 0, 255).astype(np.uint8), _labels(truth)
        frame += 1


def _labels(truth: npt.NDArray[np.float32]) -> Labels:
    """Return for each pixel the class of the largest share in (K, H, W), if that is at least half, else the background."""
    return np.where(truth.max(0) >= 0.5, truth.argmax(0) + 1, 0).astype(np.uint8)


def _pulse(one: StillImage) -> Pulse | None:
    area = float(one.truth.sum(dtype=np.float64)) / 255
    return Pulse(centroid(one.truth), float(np.sqrt(area / np.pi)), _DEPTH, _BEAT, 0.0) if area else None
