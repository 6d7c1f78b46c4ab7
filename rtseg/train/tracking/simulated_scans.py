"""Moves stills of held-out subjects, with the exact truth of each region, to measure a tracker in simulated motion."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError, DatasetError
from rtseg.evaluation.dataset import Case, Classes, open_dataset, scans, split
from rtseg.frame import Image, Mask
from rtseg.train.augment import Rng, Speckle, degrade
from rtseg.train.clips import centroid, render_frame
from rtseg.train.config import TrainConfig
from rtseg.train.motion import Matrix, Pulse, SimulatedMotion, similarity
from rtseg.train.still_image import StillImage, load_still

_MIN_REGION_PX = 40  # smaller regions are specks, and no objects
_CROP = 0.93  # crops the still's edge, so that motion does not bring its outside into view
_DRIFT, _ELASTIC, _SPECKLE = 0.6, 0.4, 0.12
_BEAT, _DEPTH = 0.048, 0.12  # beats a frame, 72 a minute at 25 frames a second; share of the distance from the center
_ZOOM, _ZOOM_PERIOD = 0.13, 170.0  # logarithm of the scale, 30 % of the area; frames
_TURN, _TURN_PERIOD = 0.15, 230.0  # radians; frames
_PLANE_PERIOD = 300.0  # frames in which the view changes into the subject's other still and back
_SPOILT_EVERY, _SPOILT_FRAMES = 30, 3  # frames; a shadow, dropout, noise, blur or gain


@dataclass(frozen=True, slots=True)
class SimulatedScan:
    """Holds one subject's stills in simulated motion."""

    subject: str
    """Name of the subject."""
    images: tuple[Image, ...]
    """(H, W) uint8 each."""
    labels: tuple[int, ...]
    """Number of each region's class, from 1."""
    truths: tuple[tuple[Mask, ...], ...]
    """The mask of each region in each frame, by region, (H, W) bool."""
    has_other_plane: bool
    """Whether another still of the subject is blended in."""


def simulate_scans(config: TrainConfig, frames: int, most: int, seed: int) -> Iterator[SimulatedScan]:
    """Yield up to `most` held-out subjects of a class model's training, spread over all, in simulated motion.

    Probe drift, tissue deformation, pulsation, speckle, 30 % change of area, rotation, a change into another still of the
    subject where there is one, and 3 spoilt frames in 30. Raises ConfigError, DatasetError.
    """
    if not config.data.held_out:
        raise ConfigError(f"the training of {config.name} names nobody as held out: give the .toml of one that does")
    _, held_out = split(open_dataset(config.data.folder), config.data.held_out)
    subjects = list(scans(held_out).values())
    chosen = subjects[:: -(-len(subjects) // most)]
    found = 0
    for place, scan in enumerate(chosen):
        moved = _simulate(scan, config.classes, frames, np.random.default_rng((seed, place)))
        if moved:
            found += 1
            yield moved
    if not found:
        raise DatasetError(f"no held-out picture of {config.data.folder} shows an object: check the masks")


def _simulate(scan: tuple[Case, ...], classes: Classes, frames: int, rng: Rng) -> SimulatedScan | None:
    """Return the middle still of a scan in motion; None where it shows no object."""
    middle = len(scan) // 2
    still = load_still(scan[middle], classes)
    labels, planes = _regions(still)
    if not labels:
        return None
    first = replace(still, truth=planes)
    second = _aligned(first, labels, load_still(scan[(middle + 1) % len(scan)], classes)) if len(scan) > 1 else None
    images, masks = zip(*_moving_frames(first, second, frames, rng), strict=True)
    truths = tuple(tuple(mask[place] for mask in masks) for place in range(len(labels)))
    return SimulatedScan(scan[middle].subject, images, labels, truths, second is not None)


def _regions(still: StillImage) -> tuple[tuple[int, ...], npt.NDArray[np.uint8]]:
    """Return the class number of each region, and the regions' planes (R, h, w) uint8 with their soft borders."""
    labels, planes = list[int](), list[npt.NDArray[np.uint8]]()
    for label, plane in enumerate(still.truth, start=1):
        count, places, stats, _ = cv2.connectedComponentsWithStats((plane >= 128).astype(np.uint8))
        for place in range(1, count):
            if stats[place, cv2.CC_STAT_AREA] >= _MIN_REGION_PX:
                near = cv2.dilate((places == place).astype(np.uint8), np.ones((3, 3), np.uint8))
                labels.append(label)
                planes.append(np.asarray(plane * near, np.uint8))
    return tuple(labels), np.stack(planes) if planes else np.zeros((0, *still.image.shape), np.uint8)


def _aligned(first: StillImage, labels: tuple[int, ...], second: StillImage) -> StillImage | None:
    """Return the second still, moved so that its regions lie on those of the first; None where it lacks one of them."""
    others, planes = _regions(second)
    chosen = list[int]()
    for place, label in enumerate(labels):
        same = [other for other in range(len(others)) if others[other] == label and other not in chosen]
        if not same:
            return None
        x, y = centroid(first.truth[place : place + 1])
        chosen.append(min(same, key=lambda other: float(np.hypot(*(np.subtract(centroid(planes[other : other + 1]), (x, y)))))))
    size = first.image.shape[1], first.image.shape[0]
    shift = np.subtract(centroid(first.truth), centroid(planes[chosen]))
    moved = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    image = cv2.warpAffine(second.image, moved, size, borderMode=cv2.BORDER_REPLICATE)
    truth = [cv2.warpAffine(planes[one], moved, size) for one in chosen]
    return StillImage(second.subject, np.asarray(image, np.uint8), np.stack(truth).astype(np.uint8, copy=False))


def _moving_frames(first: StillImage, second: StillImage | None, frames: int, rng: Rng) -> Iterator[tuple[Image, Mask]]:
    """Yield images (H, W) uint8 and the masks of the regions (R, H, W) bool."""
    size = (first.image.shape[0], first.image.shape[1])
    centre = np.array([size[1] - 1, size[0] - 1]) / 2
    motion = _ZoomingMotion(size, similarity(0.0, _CROP, centre, centre), rng, drift=_DRIFT, elastic=_ELASTIC)
    speckle, pulse = Speckle(rng, size, _SPECKLE), _pulse(first)
    for t in range(frames):
        share = (1 - np.cos(2 * np.pi * t / _PLANE_PERIOD)) / 2
        moved, planes = render_frame(_blended(first, second, share) if second else first, motion, float(t), pulse)
        picture = np.asarray(moved * speckle.next(rng), np.float32)
        if t % _SPOILT_EVERY >= _SPOILT_EVERY - _SPOILT_FRAMES:
            picture = degrade(picture, rng, centroid(planes))
        yield np.clip(picture, 0, 255).astype(np.uint8), planes >= 0.5


def _blended(first: StillImage, second: StillImage, share: float) -> StillImage:
    image = cv2.addWeighted(first.image, 1 - share, second.image, share, 0)
    planes = [cv2.addWeighted(a, 1 - share, b, share, 0) for a, b in zip(first.truth, second.truth, strict=True)]
    return StillImage(first.subject, np.asarray(image, np.uint8), np.stack(planes).astype(np.uint8, copy=False))


def _pulse(one: StillImage) -> Pulse:
    radius = float(np.sqrt(one.truth.sum(dtype=np.float64) / 255 / np.pi))
    return Pulse(centroid(one.truth), radius, _DEPTH, _BEAT, 0.0)


class _ZoomingMotion(SimulatedMotion):
    """Adds a slow change of scale and a rotation about the center to the motion."""

    def _wander(self, frame: float) -> Matrix:
        zoom = float(np.exp(_ZOOM * np.sin(2 * np.pi * frame / _ZOOM_PERIOD)))
        turn = float(_TURN * np.sin(2 * np.pi * frame / _TURN_PERIOD))
        centre = np.array([self._x[0, -1], self._y[-1, 0]]) / 2
        changed = np.vstack([similarity(turn, zoom, centre, centre), [0, 0, 1]])
        return np.asarray(super()._wander(frame) @ changed, np.float64)
