"""Clips to train on, with exact masks: stills set in motion, and a scan's real frames in the order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.evaluation.dataset import Case, scans
from rtseg.kernels.network.fit import letterbox
from rtseg.train.augment import Look, Rng, border, degrade
from rtseg.train.config import DataConfig
from rtseg.train.motion import Motion, Pulse, similarity

CACHE_PX = 320  # the long side of a still in memory: enough to zoom in by a quarter


@dataclass(frozen=True, slots=True)
class Still:
    """A picture kept small in memory: image (h, w) uint8, truth (K, h, w) uint8: how much of a pixel is class k, of 255."""

    subject: str
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """frames (T, H, W) float32 or uint8, 0..255, truth (T, K, H, W) float32: the share of class k, in [0, 1]."""

    frames: npt.NDArray[Any]
    truth: npt.NDArray[np.float32]


def still(case: Case, n_classes: int) -> Still:
    """A case, area-averaged to CACHE_PX. Raises DatasetError."""
    labels = case.image_and_labels(n_classes)[1]
    scale = CACHE_PX / max(labels.shape)
    planes = [(labels == label + 1).astype(np.uint8) * np.uint8(255) for label in range(n_classes)]
    image, *truth = (_shrunk(plane, scale) for plane in (case.grey(), *planes))
    return Still(case.subject, image, np.stack(truth))


class ClipMaker:
    """Draws clips of frames of (H, W) from cases; every draw is decided by its generator alone.

    sparse: the share of clips made of a subject's real frames in order, instead of one still in motion.
    """

    def __init__(self, cases: Sequence[Case], n_classes: int, size: tuple[int, int], data: DataConfig, sparse: float) -> None:
        self._size, self._data, self._sparse = size, data, sparse
        self._scans = [[still(case, n_classes) for case in group] for group in scans(cases).values()]
        shares = np.sqrt([len(group) for group in self._scans])  # few frames of many people teach more than the reverse
        self._shares = shares / shares.sum()

    def draw(self, rng: Rng, length: int) -> Clip:
        """One clip of so many frames, as a clinic might have sent it."""
        scene = self._scene(rng, length)
        if rng.random() < self._data.joined:
            scene = joined(scene, self._scene(rng, length), rng)
        inside = border(rng, self._size) if rng.random() < 0.2 else np.float32(1)
        truth = scene.truth * inside
        look = Look(rng, self._size)
        frames = np.stack([look.apply(image, rng) * inside for image in scene.frames])
        for t in _spoilt(length, rng):
            frames[t] = degrade(frames[t], rng, middle(truth[t]))
        return Clip(frames, truth)

    def _scene(self, rng: Rng, length: int) -> Clip:
        """Tissue in motion, before a scanner looks at it: frames (T, H, W) uint8 and their truth."""
        stills = self._stills(rng, length)
        place = _placed(stills[0], self._size, rng, self._data.zoom)
        motion = Motion(self._size, place, rng, rng.uniform(0, 1.5), rng.uniform(0, 2))
        stride = rng.choice((1, 2, 4))  # the motion of one, two or four frame periods from frame to frame
        times = rng.uniform(0, 100) + stride * np.arange(length)
        pulse = _pulse(stills[0], rng)
        moved = [render(one, motion, time, pulse) for one, time in zip(stills, times, strict=True)]
        return Clip(np.stack([image for image, _ in moved]), np.stack([planes for _, planes in moved]))

    def _stills(self, rng: Rng, length: int) -> list[Still]:
        """The still behind each frame: one for all, or a scan's in order; now and then another scan cuts in."""
        stills = self._subject(rng, length)
        if rng.random() < 0.05 and length > 2:
            cut = int(rng.integers(1, length - 1))
            stills[cut:] = self._subject(rng, length)[cut:]
        return stills

    def _subject(self, rng: Rng, length: int) -> list[Still]:
        scan = self._scans[rng.choice(len(self._scans), p=self._shares)]
        first = int(rng.integers(len(scan)))
        step = int(rng.random() < self._sparse)
        return [scan[min(first + step * t, len(scan) - 1)] for t in range(length)]


def render(
    one: Still, motion: Motion, time: float, pulse: Pulse | None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Image (H, W) uint8 and truth (K, H, W) in [0, 1] of a still at a time of a motion."""
    x, y = motion.maps(time, pulse)
    image = cv2.remap(one.image, x, y, cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    planes = [cv2.remap(plane, x, y, cv2.INTER_LINEAR).astype(np.float32) / 255 for plane in one.truth]
    return image, np.stack(planes)


def joined(left: Clip, right: Clip, rng: Rng) -> Clip:
    """Two scenes side by side, as if one probe lay on both: whole columns, so that shadow and depth stay true, softly met.

    After CutMix for segmentation (French et al. 2020): few pictures make many neighbourhoods.
    """
    width = left.frames.shape[2]
    seam, soft = rng.uniform(0.25, 0.75) * width, rng.uniform(0.5, 6)
    share = (1 / (1 + np.exp((np.arange(width) - seam) / soft))).astype(np.float32)
    frames = np.round(left.frames * share + right.frames * (1 - share)).astype(np.uint8)
    return Clip(frames, left.truth * share + right.truth * (1 - share))


def _placed(one: Still, size: tuple[int, int], rng: Rng, spread: float) -> npt.NDArray[np.float64]:
    """How a still lies in the input: letterboxed as live frames are, then zoomed, stretched, moved, turned and mirrored."""
    height, width = one.image.shape
    top, left, inner_height, inner_width = letterbox((0, 0, height, width), size).inner
    zoom = np.exp(rng.normal(0, spread) + rng.normal(0, 0.07, 2)) * (width / inner_width, height / inner_height)
    middle = np.array([left + (inner_width - 1) / 2, top + (inner_height - 1) / 2])
    target = np.array([width - 1, height - 1]) / 2 + rng.normal(0, 0.08, 2) * (width, height)
    return similarity(rng.normal(0, 0.1), tuple(zoom), middle, target, flip=rng.random() < 0.5)


def _pulse(one: Still, rng: Rng) -> Pulse | None:
    """A heart beat about the middle of the classes, where there are any."""
    area = float(one.truth.sum(dtype=np.float64)) / 255
    if not area:
        return None
    radius = float(np.sqrt(area / np.pi))
    return Pulse(middle(one.truth), radius, rng.uniform(0, 0.2), rng.uniform(0.02, 0.08), rng.uniform(0, 1))


def middle(planes: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> tuple[float, float]:
    """The centre of gravity (x, y) of all classes of (K, H, W), or of the picture where there is none."""
    plane = planes.max(axis=0)
    moments = cv2.moments(plane)
    if not moments["m00"]:
        return plane.shape[1] / 2, plane.shape[0] / 2
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def _spoilt(length: int, rng: Rng) -> range:
    """A run of frames to degrade; never the first, which has no memory to lean on."""
    if length < 2 or rng.random() < 0.5:
        return range(0)
    start = int(rng.integers(1, length))
    return range(start, min(length, start + int(rng.integers(1, 4))))


def _shrunk(plane: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    size = max(1, round(plane.shape[1] * scale)), max(1, round(plane.shape[0] * scale))
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.uint8, copy=False)
