"""Plants a second copy of a structure beside it, which a tracker must not take for the object."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.bench.tracking.clip import TrackingClip, padded_box
from rtseg.bench.tracking.interruptions import darkened
from rtseg.frame import Image

FRAMES = 60  # of a clip with a distractor
HIDDEN = range(20, 35)  # frames in which a shadow covers the object and leaves the distractor
_PAD = 0.35  # of the object's box: the surroundings that are copied with it
_GAP_PX = 2

Scalar = TypeVar("Scalar", bound=np.generic)
Box = tuple[int, int, int, int]  # left, top, right, bottom
Offset = tuple[int, int]  # (x, y) in pixels


def with_distractors(clip: TrackingClip) -> Iterator[TrackingClip]:
    """Yield a clip for each side on which a copy fits, with the object always visible and with the object hidden for a while.

    The copy comes from the same frame and moves with the object. Its surroundings are copied too, with a soft border.
    """
    shown = clip.bounced(FRAMES)
    box = padded_box(shown.extent(), _PAD)
    for offset in _offsets(box, shown.first.shape):
        for hidden in (range(0), HIDDEN):
            yield _planted(shown, box, offset, hidden)


def _offsets(box: Box, size: tuple[int, ...]) -> list[Offset]:
    """Return by how much a copy of the box is moved so that it lies in the picture beside the box."""
    left, top, right, bottom = box
    across, down = right - left + _GAP_PX, bottom - top + _GAP_PX
    moves = ((-across, 0), (across, 0), (0, -down), (0, down))
    return [(x, y) for x, y in moves if left + x >= 0 and top + y >= 0 and right + x <= size[1] and bottom + y <= size[0]]


def _planted(clip: TrackingClip, box: Box, offset: Offset, hidden: range) -> TrackingClip:
    alpha = _soft_box(box, clip.first.shape)
    images = [_copied(image, alpha, offset) for image in clip.images]
    truths = list(clip.truths)
    distractors = tuple(None if truth is None else _moved(truth, offset) for truth in clip.truths)
    for t in hidden:
        images[t], truths[t] = darkened(images[t], _inner(box)), np.zeros(clip.first.shape, np.bool_)
    name = f"{clip.name}, distractor at {offset[0]:+d},{offset[1]:+d}{', object hidden' if hidden else ''}"
    return replace(clip, name=name, images=tuple(images), truths=tuple(truths), distractors=distractors)


def _inner(box: Box) -> Box:
    """Return the box without half of its surroundings, so that its shadow's soft border does not reach the copy."""
    left, top, right, bottom = box
    share = 0.5 * _PAD / (1 + 2 * _PAD)
    across, down = round(share * (right - left)), round(share * (bottom - top))
    return left + across, top + down, right - across, bottom - down


def _soft_box(box: Box, size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return the weight of the copy, (H, W) float32: 1 in the box, falling to 0 at its border."""
    left, top, right, bottom = box
    inside = np.zeros(size, np.uint8)
    inside[top:bottom, left:right] = 1
    depth = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    soft = max(1.0, 0.5 * _PAD / (1 + 2 * _PAD) * min(right - left, bottom - top))
    return np.asarray(np.clip(depth / soft, 0, 1), np.float32)


def _copied(image: Image, alpha: npt.NDArray[np.float32], offset: Offset) -> Image:
    weight, copy = _moved(alpha, offset), _moved(image, offset)
    return np.asarray(np.round(weight * copy + (1 - weight) * image), np.uint8)


def _moved(plane: npt.NDArray[Scalar], offset: Offset) -> npt.NDArray[Scalar]:
    """Return a plane (H, W) moved by whole pixels, with zeros where nothing comes from."""
    moved = np.zeros_like(plane)
    x, y = offset
    height, width = plane.shape
    moved[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)] = plane[
        max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)
    ]
    return moved
