"""Scripts what takes an object out of view: a lifted probe, a cut to another view, and a shadow that covers it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.bench.tracking.clip import Interruption, MaybeMask, TrackingClip, empty_masks, padded_box
from rtseg.frame import Image, Mask
from rtseg.sources.synthetic import open_synthetic

LEAD_FRAMES = (10, 30)  # fewest and most frames before the object is gone
AFTER_FRAMES = 20  # frames after its return
GONE_FRAMES = {"lift": 40, "cut": 20, "occlusion": 40}
_AIR_PICTURES = 12  # different ones, which are repeated
_MIN_VIEW = 0.15  # share of the picture that another view in it must have
_PAD = 0.3  # of the object's box: what a shadow covers beside it
_DARK = 0.03  # share of the gray level that is left in a shadow
_SOFT_PX = 4.0  # standard deviation of a shadow's edge

View = tuple[Image, ...]


def interrupt(
    clip: TrackingClip, kind: str, rng: np.random.Generator, elsewhere: Sequence[TrackingClip] = ()
) -> TrackingClip | None:
    """Return a short clip in which the object is out of view for a while; None where no other view is to be had.

    kind: one of GONE_FRAMES. elsewhere: clips of other subjects, from which a cut takes its view; without any it shows a part
    of the clip's own pictures in which the object is not.
    """
    lead, gone = int(rng.integers(LEAD_FRAMES[0], LEAD_FRAMES[1] + 1)), GONE_FRAMES[kind]
    interruption = Interruption(kind, lead, lead + gone)
    if kind == "occlusion":
        return _occluded(clip.bounced(lead + gone + AFTER_FRAMES), interruption)
    shown = clip.bounced(lead + AFTER_FRAMES)
    size = (shown.images[0].shape[0], shown.images[0].shape[1])
    view = _air(size, gone, rng) if kind == "lift" else _other_view(shown, gone, rng, elsewhere)
    if view is None:
        return None
    return replace(
        shown,
        name=f"{clip.name}, {kind}",
        images=(*shown.images[:lead], *view, *shown.images[lead:]),
        truths=_inserted(shown.truths, view, lead),
        others=_inserted(shown.others, view, lead) if shown.others else (),
        interruption=interruption,
    )


def darkened(image: Image, box: tuple[int, int, int, int]) -> Image:
    """Return the picture (H, W) with a soft dark rectangle (left, top, right, bottom)."""
    left, top, right, bottom = box
    inside = np.zeros(image.shape, np.float32)
    inside[top:bottom, left:right] = 1
    dark = np.maximum(inside, cv2.GaussianBlur(inside, (0, 0), _SOFT_PX))
    return np.asarray(np.round(image * (1 - (1 - _DARK) * dark)), np.uint8)


def _inserted(masks: Sequence[MaybeMask], view: View, lead: int) -> tuple[MaybeMask, ...]:
    return (*masks[:lead], *empty_masks(view), *masks[lead:])


def _occluded(shown: TrackingClip, interruption: Interruption) -> TrackingClip:
    """Cover the object by an acoustic shadow, from above it to the end of the picture."""
    left, top, right, _ = padded_box(shown.extent(), _PAD)
    box = (left, top, right, shown.images[0].shape[0])
    images, truths = list(shown.images), list(shown.truths)
    for t in range(interruption.start, interruption.end):
        images[t], truths[t] = darkened(images[t], box), np.zeros(shown.first.shape, np.bool_)
    name = f"{shown.name}, {interruption.kind}"
    return replace(shown, name=name, images=tuple(images), truths=tuple(truths), interruption=interruption)


def _air(size: tuple[int, int], frames: int, rng: np.random.Generator) -> View:
    """Return pictures of a probe without contact, as the synthetic probe shows them."""
    height, width = (max(16, side) for side in size)
    seed = int(rng.integers(1 << 31))
    probe = open_synthetic(f"vessel?seed={seed}&height={height}&width={width}&faults=lift@0+{_AIR_PICTURES}")
    pictures = [frame.image[: size[0], : size[1]] for frame in islice(probe, min(frames, _AIR_PICTURES))]
    return tuple(pictures[t % len(pictures)] for t in range(frames))


def _other_view(clip: TrackingClip, frames: int, rng: np.random.Generator, elsewhere: Sequence[TrackingClip]) -> View | None:
    if elsewhere:
        other = elsewhere[int(rng.integers(len(elsewhere)))].bounced(frames)
        return tuple(_resized(image, clip.first) for image in other.images)
    views = list(_distant_views(clip.extent()))
    if not views:
        return None
    left, top, right, bottom = views[int(rng.integers(len(views)))]
    return tuple(_resized(image[top:bottom, left:right], clip.first) for image in clip.bounced(frames).images)


def _distant_views(extent: Mask) -> Iterator[tuple[int, int, int, int]]:
    """Yield the parts of the picture beside, above and below the object that are large enough for a view of their own."""
    height, width = extent.shape
    left, top, right, bottom = padded_box(extent, _PAD)
    for box in ((0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height)):
        if (box[2] - box[0]) * (box[3] - box[1]) >= _MIN_VIEW * extent.size:
            yield box


def _resized(image: Image, like: npt.NDArray[np.bool_]) -> Image:
    return np.asarray(cv2.resize(image, like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
