"""Defines a clip in which one object is to be followed, and what happens in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rtseg.frame import Image, Mask
from rtseg.session.prompts import Point

MaybeMask = Mask | None  # None: the frame is not annotated


@dataclass(frozen=True, slots=True)
class Interruption:
    """Describes frames in which the object cannot be seen."""

    kind: str
    """One of "lift" (air), "cut" (another view) and "occlusion" (a shadow over the object)."""
    start: int
    """Index of the first frame."""
    end: int
    """Index of the first frame that shows the object again."""


@dataclass(frozen=True, slots=True)
class TrackingClip:
    """Holds the frames of a clip with the truth of one object, which the first frame shows."""

    name: str
    """Name of the clip, for the report."""
    images: tuple[Image, ...]
    """(H, W) uint8 each."""
    truths: tuple[MaybeMask, ...]
    """(H, W) bool each; None where the frame is not annotated."""
    label: int = 1
    """Number of the object's class in a class model, from 1."""
    others: tuple[MaybeMask, ...] = ()
    """Other regions of the same class in each frame; empty where there are none."""
    distractors: tuple[MaybeMask, ...] = ()
    """A second structure in each frame that looks like the object; empty where there is none."""
    interruption: Interruption | None = None
    """Frames in which the object cannot be seen; None: none were scripted."""

    @property
    def first(self) -> Mask:
        """Return the object's mask in the first frame, (H, W) bool."""
        mask = self.truths[0]
        assert mask is not None
        return mask

    def bounced(self, frames: int) -> "TrackingClip":
        """Return `frames` frames of the clip, played forwards and backwards as often as needed."""
        last = len(self.images) - 1
        places = [last - abs(last - t % (2 * last)) if last else 0 for t in range(frames)]
        return replace(
            self,
            images=tuple(self.images[place] for place in places),
            truths=tuple(self.truths[place] for place in places),
            others=tuple(self.others[place] for place in places) if self.others else (),
        )

    def extent(self) -> Mask:
        """Return all pixels that the object covers in any annotated frame, (H, W) bool."""
        covered: Mask = np.logical_or.reduce([truth for truth in self.truths if truth is not None])
        return covered


def inner_centroid(mask: Mask) -> Point:
    """Return the centroid (x, y) of a mask, or its pixel that is nearest to the centroid where that lies outside."""
    rows, columns = np.nonzero(mask)
    x, y = float(columns.mean()), float(rows.mean())
    if mask[round(y), round(x)]:
        return x, y
    nearest = int(np.argmin((columns - x) ** 2 + (rows - y) ** 2))
    return float(columns[nearest]), float(rows[nearest])


def padded_box(mask: Mask, share: float) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a mask's box, grown by a share of its sides, within the picture."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    across, down = round(share * width), round(share * height)
    return (
        max(0, left - across),
        max(0, top - down),
        min(mask.shape[1], left + width + across),
        min(mask.shape[0], top + height + down),
    )


def empty_masks(images: Sequence[Image]) -> tuple[Mask, ...]:
    """Return a mask without a pixel for each image."""
    return tuple(np.zeros(image.shape[:2], np.bool_) for image in images)
