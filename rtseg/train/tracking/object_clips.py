"""Makes clips in which one object is to be followed: neighbors that look alike, lifted probes, other views, and its return."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import Case, Classes
from rtseg.models.tracker import MASK_FAULTS
from rtseg.train.augment import Rng
from rtseg.train.clips import ClipSampler, TrainingClip, join_side_by_side
from rtseg.train.config import DataConfig
from rtseg.train.still_image import StillImage
from rtseg.train.tracking.drawn_prompts import draw_prompt

MIN_AREA_PX = 40.0  # of an object in the first frame, in pixels of the input
_TRIES = 30
_JOINED = 0.3  # share of clips with another subject's picture beside it
_LIFTED = 0.35  # share of clips in which the view is lost for some frames
_CORRECTED = 0.25  # share of clips with a second prompt
_FAULT_SHARES = (0.5, 0.25, 0.15, 0.1)  # of frames, for each of MASK_FAULTS


@dataclass(frozen=True, slots=True)
class ObjectClip:
    """Holds the frames of a clip, one object's truth, and what the user says about it."""

    frames: npt.NDArray[Any]  # (T, H, W) 0..255
    truth: npt.NDArray[np.float32]  # (T, 1, H, W) in [0, 1]
    prompts: npt.NDArray[np.float32]  # (T, 2, H / 2, W / 2) in [0, 1], zeros where the user says nothing
    mask_faults: npt.NDArray[np.int64]  # (T,), what happens to the last mask before each frame, of MASK_FAULTS


class ObjectSampler(ClipSampler):
    """Draws clips of one object from cases; takes the arguments of `ClipSampler`."""

    def __init__(self, cases: Sequence[Case], classes: Classes, size: tuple[int, int], data: DataConfig, sparse: float) -> None:
        super().__init__(cases, classes, size, replace(data, joined=0.0, empty=0.0), sparse)

    def draw_object(self, rng: Rng, length: int) -> ObjectClip:
        """Draw a clip whose first frame shows the object, with a prompt there. Raises DatasetError where none shows one."""
        for _ in range(_TRIES):
            clip = self.draw(rng, length)
            if float(clip.truth[0].sum()) >= MIN_AREA_PX and clip.truth[0].max() >= 0.5:
                prompts = self._prompts(clip.truth, rng)
                return ObjectClip(clip.frames, clip.truth, prompts, rng.choice(len(MASK_FAULTS), length, p=_FAULT_SHARES))
        raise DatasetError("no picture shows an object that is large enough to point at: check the masks")

    def _prompts(self, truth: npt.NDArray[np.float32], rng: Rng) -> npt.NDArray[np.float32]:
        height, width = truth.shape[2:]
        prompts = np.zeros((len(truth), 2, height // 2, width // 2), np.float32)
        prompts[0] = draw_prompt(truth[0, 0], rng)
        later = int(rng.integers(len(truth)))
        if later and rng.random() < _CORRECTED and truth[later].max() >= 0.5:
            prompts[later] = draw_prompt(truth[later, 0], rng)
        return prompts

    def _scene(self, rng: Rng, length: int) -> TrainingClip:
        scene = super()._scene(rng, length)
        if rng.random() < _JOINED:
            other = super()._scene(rng, length)
            other = TrainingClip(other.frames, np.zeros_like(other.truth))  # it looks alike, and is another one
            scene = join_side_by_side(*((scene, other) if rng.random() < 0.5 else (other, scene)), rng)
        return self._lifted(scene, rng) if length > 2 and rng.random() < _LIFTED else scene

    def _lifted(self, scene: TrainingClip, rng: Rng) -> TrainingClip:
        """Replace some frames after the first by air, or by another view without the object."""
        length = len(scene.frames)
        first = int(rng.integers(1, length - 1))
        gone = slice(first, min(length, first + int(rng.integers(1, length))))
        frames, truth = scene.frames.copy(), scene.truth.copy()
        truth[gone] = 0
        other = super()._scene(rng, 1).frames[0] if rng.random() < 0.6 else _air(frames.shape[1:], rng)
        frames[gone] = other
        return TrainingClip(frames, truth)

    def _stills(self, rng: Rng, length: int) -> list[StillImage]:
        """Return the still of each frame, whose truth is one object; those of a scan in order all show the same."""
        stills = self._subject(rng, length)
        chosen = _choose_object(stills[0], rng)
        return [StillImage(one.subject, one.image, chosen.of(one)) for one in stills]


@dataclass(frozen=True, slots=True)
class _ChosenObject:
    """Holds which region of a still is the object; a still without it shows none."""

    label: int
    center: tuple[float, float]

    def of(self, one: StillImage) -> npt.NDArray[np.uint8]:
        """Return the truth (1, h, w) of the region of that class that is nearest to the object's center."""
        plane = one.truth[self.label] if self.label >= 0 else np.zeros_like(one.image)
        count, regions, _, centers = cv2.connectedComponentsWithStats((plane >= 128).astype(np.uint8))
        if count < 2:
            return np.zeros((1, *plane.shape), np.uint8)
        distances = np.hypot(*(centers[1:] - self.center).T)
        nearest = 1 + int(np.argmin(distances))
        near = cv2.dilate((regions == nearest).astype(np.uint8), np.ones((3, 3), np.uint8))  # keeps the soft border
        return np.asarray(plane * near, np.uint8)[None]


def _choose_object(one: StillImage, rng: Rng) -> _ChosenObject:
    """Choose one region of a random class of a still."""
    present = [label for label, plane in enumerate(one.truth) if (plane >= 128).any()]
    if not present:
        return _ChosenObject(-1, (0.0, 0.0))
    label = present[int(rng.integers(len(present)))]
    count, _, stats, centers = cv2.connectedComponentsWithStats((one.truth[label] >= 128).astype(np.uint8))
    areas = np.sqrt(stats[1:, cv2.CC_STAT_AREA].astype(np.float64))
    chosen = 1 + int(rng.choice(count - 1, p=areas / areas.sum()))
    return _ChosenObject(label, (float(centers[chosen][0]), float(centers[chosen][1])))


def _air(size: tuple[int, ...], rng: Rng) -> npt.NDArray[np.uint8]:
    """Return a picture of a probe in air: reverberation in the first rows, and nothing below."""
    rows = np.arange(size[0], dtype=np.float32)
    bands = 120 * np.exp(-rows / rng.uniform(4, 20)) * (1 + np.cos(rows / rng.uniform(1, 3)))
    return np.asarray(np.clip(bands[:, None] + rng.normal(0, 3, size), 0, 255), np.uint8)
