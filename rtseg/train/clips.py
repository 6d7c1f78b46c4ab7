"""Makes training clips with exact masks from stills in simulated motion and from a scan's real frames in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.evaluation.dataset import Case, Classes, count_of, scans
from rtseg.kernels.network.fit import letterbox
from rtseg.train.augment import Rng, ScannerAppearance, border, degrade
from rtseg.train.calliper_marks import plant_marks, without_marks
from rtseg.train.clip_flow import Motion, clip_motion
from rtseg.train.config import DataConfig
from rtseg.train.motion import Pulse, SimulatedMotion, similarity
from rtseg.train.negatives import crop_without_classes, other_anatomies
from rtseg.train.still_image import StillImage, load_still, still_side


@dataclass(frozen=True, slots=True)
class TrainingClip:
    """Holds the frames of a clip with their ground truth."""

    frames: npt.NDArray[Any]  # (T, H, W) float32 or uint8, 0..255
    truth: npt.NDArray[np.float32]  # (T, K, H, W): share of class k in a pixel, in [0, 1]
    motion: Motion | None = None  # from each frame to the one before, see `clip_motion`; None: not computed


class ClipSampler:
    """Draws random clips from cases; each draw depends on its generator only.

    size: (H, W) of the frames. sparse: share of clips made of a subject's real frames in order, instead of one still in motion.
    with_motion: compute the motion in each clip too.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        classes: Classes,
        size: tuple[int, int],
        data: DataConfig,
        sparse: float,
        *,
        with_motion: bool = False,
    ) -> None:
        self._size, self._data, self._sparse, self._with_motion = size, data, sparse, with_motion
        side = still_side(size)
        self._scans = [[load_still(case, classes, side) for case in group] for group in scans(cases).values()]
        self._unmarked = [[_unmarked(one) for one in group] for group in self._scans] if data.unmarked else self._scans
        self._others = other_anatomies(data.other_folders, count_of(classes), side)
        shares = np.sqrt(
            [len(group) for group in self._scans]
        )  # few frames of many subjects are more informative than many frames of few
        self._shares = shares / shares.sum()

    def draw(self, rng: Rng, length: int) -> TrainingClip:
        """Draw a clip of `length` frames with random motion, scanner settings and faults."""
        scene = self._scene(rng, length)
        if rng.random() < self._data.joined:
            scene = join_side_by_side(scene, self._scene(rng, length), rng)
        inside = border(rng, self._size) if rng.random() < 0.2 else np.float32(1)
        truth = scene.truth * inside
        appearance = ScannerAppearance(rng, self._size)
        frames = np.stack([appearance.apply(image, rng) * inside for image in scene.frames])
        if self._data.marks and rng.random() < self._data.marks:
            frames = plant_marks(frames, rng)
        degraded = _degraded_range(length, rng)
        for t in degraded:
            frames[t] = degrade(frames[t], rng, centroid(truth[t]))
        return TrainingClip(frames, truth, self._motion(scene, degraded) if self._with_motion else None)

    def _motion(self, scene: TrainingClip, degraded: range) -> Motion:
        """Return the motion in a scene, without confidence where either frame is degraded."""
        motion = clip_motion(scene.frames)
        for t in degraded:
            motion[max(0, t - 1) : t + 1, 2] = 0
        return motion

    def _scene(self, rng: Rng, length: int) -> TrainingClip:
        """Draw tissue in motion before scanner effects: frames (T, H, W) uint8 and their ground truth."""
        stills = self._stills(rng, length)
        place = _placement(stills[0], self._size, rng, self._data.zoom)
        motion = SimulatedMotion(self._size, place, rng, rng.uniform(0, 1.5), rng.uniform(0, 2))
        stride = rng.choice((1, 2, 4))  # frame periods of motion between successive frames
        times = rng.uniform(0, 100) + stride * np.arange(length)
        pulse = _pulse(stills[0], rng)
        moved = [render_frame(one, motion, time, pulse) for one, time in zip(stills, times, strict=True)]
        return TrainingClip(np.stack([image for image, _ in moved]), np.stack([planes for _, planes in moved]))

    def _stills(self, rng: Rng, length: int) -> list[StillImage]:
        """Return the still of each frame: one for all, or a scan's in order; sometimes with a cut to another scan."""
        stills = self._subject(rng, length)
        if rng.random() < 0.05 and length > 2:
            cut = int(rng.integers(1, length - 1))
            stills[cut:] = self._subject(rng, length)[cut:]
        return stills

    def _subject(self, rng: Rng, length: int) -> list[StillImage]:
        if self._others and rng.random() < self._data.others:
            return [self._others[int(rng.integers(len(self._others)))]] * length
        stills = self._scan(rng, length)
        if self._data.empty and rng.random() < self._data.empty:
            crop = crop_without_classes(stills[0], rng)
            return [crop] * length if crop else stills
        return stills

    def _scan(self, rng: Rng, length: int) -> list[StillImage]:
        every = self._unmarked if self._data.unmarked and rng.random() < self._data.unmarked else self._scans
        scan = every[rng.choice(len(every), p=self._shares)]
        first = int(rng.integers(len(scan)))
        step = int(rng.random() < self._sparse)
        return [scan[min(first + step * t, len(scan) - 1)] for t in range(length)]


def render_frame(
    one: StillImage, motion: SimulatedMotion, time: float, pulse: Pulse | None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Render a still at a time of a motion: image (H, W) uint8 and ground truth (K, H, W) in [0, 1].

    time: in frame periods. pulse: a pulsating vessel, or None.
    """
    x, y = motion.maps(time, pulse)
    image = cv2.remap(one.image, x, y, cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    planes = [cv2.remap(plane, x, y, cv2.INTER_LINEAR).astype(np.float32) / 255 for plane in one.truth]
    return image, np.stack(planes)


def join_side_by_side(left: TrainingClip, right: TrainingClip, rng: Rng) -> TrainingClip:
    """Join two scenes side by side with a soft seam; whole columns keep shadows and depth consistent.

    It follows CutMix for segmentation (French et al. 2020), which creates many neighborhoods from few pictures.
    """
    width = left.frames.shape[2]
    seam, soft = rng.uniform(0.25, 0.75) * width, rng.uniform(0.5, 6)
    share = (1 / (1 + np.exp((np.arange(width) - seam) / soft))).astype(np.float32)
    frames = np.round(left.frames * share + right.frames * (1 - share)).astype(np.uint8)
    return TrainingClip(frames, left.truth * share + right.truth * (1 - share))


def _placement(one: StillImage, size: tuple[int, int], rng: Rng, spread: float) -> npt.NDArray[np.float64]:
    """Draw the affine placement of a still in the network's input.

    It is letterboxed like live frames, then randomly zoomed, stretched, moved, rotated and mirrored.
    """
    height, width = one.image.shape
    top, left, inner_height, inner_width = letterbox((0, 0, height, width), size).inner
    zoom = np.exp(rng.normal(0, spread) + rng.normal(0, 0.07, 2)) * (width / inner_width, height / inner_height)
    middle = np.array([left + (inner_width - 1) / 2, top + (inner_height - 1) / 2])
    target = np.array([width - 1, height - 1]) / 2 + rng.normal(0, 0.08, 2) * (width, height)
    return similarity(rng.normal(0, 0.1), tuple(zoom), middle, target, flip=rng.random() < 0.5)


def _unmarked(one: StillImage) -> StillImage:
    return StillImage(one.subject, without_marks(one.image, one.truth), one.truth)


def _pulse(one: StillImage, rng: Rng) -> Pulse | None:
    """Draw a pulsation about the centroid of the classes, or None without any."""
    area = float(one.truth.sum(dtype=np.float64)) / 255
    if not area:
        return None
    radius = float(np.sqrt(area / np.pi))
    return Pulse(centroid(one.truth), radius, rng.uniform(0, 0.2), rng.uniform(0.02, 0.08), rng.uniform(0, 1))


def centroid(planes: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the centroid (x, y) of all classes of (K, H, W), or the picture's center without any."""
    plane = planes.max(axis=0)
    moments = cv2.moments(plane)
    if not moments["m00"]:
        return plane.shape[1] / 2, plane.shape[0] / 2
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def _degraded_range(length: int, rng: Rng) -> range:
    """Draw a range of frames to degrade; never the first, for which no recurrent state exists."""
    if length < 2 or rng.random() < 0.5:
        return range(0)
    start = int(rng.integers(1, length))
    return range(start, min(length, start + int(rng.integers(1, 4))))
