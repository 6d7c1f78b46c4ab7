"""Scores the masks of a followed object against its truth: overlap, lost and found again, and jumps to a neighbor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rtseg.bench.tracking.clip import MaybeMask, TrackingClip
from rtseg.bench.tracking.followers import TrackedMask
from rtseg.evaluation.metrics import dice
from rtseg.frame import Mask

LOST_WITHIN = 5  # frames
FOUND_WITHIN = 15  # frames
FOUND_DICE = 0.5  # overlap from which the object counts as followed
JUMP_FRAMES = 5  # successive frames on the distractor

Masks = Sequence[TrackedMask]


@dataclass(frozen=True, slots=True)
class Share:
    """Holds how many of a number of things are so."""

    count: int = 0
    of: int = 0

    @property
    def value(self) -> float | None:
        """Return the share in [0, 1], or None of nothing."""
        return round(self.count / self.of, 5) if self.of else None

    def __add__(self, other: "Share") -> "Share":
        return Share(self.count + other.count, self.of + other.of)


def share_of(flags: Iterable[bool]) -> Share:
    """Return how many of the flags are true."""
    known = list(flags)
    return Share(sum(known), len(known))


def dice_values(clip: TrackingClip, found: Masks) -> list[float]:
    """Return the Dice of each annotated frame after the first, which the prompt shows; 1 where both masks are empty."""
    pairs = zip(clip.truths[1:], found[1:], strict=True)
    return [dice(truth, one.mask) for truth, one in pairs if truth is not None]


def class_masks(clip: TrackingClip, found: Masks) -> list[TrackedMask]:
    """Return of a class's masks what belongs to the object: the pixels nearer to it than to other regions of the class."""
    if not clip.others:
        return list(found)
    triples = zip(clip.truths, clip.others, found, strict=True)
    return [TrackedMask(one.mask & _nearer(truth, other)) for truth, other, one in triples]


def _nearer(truth: MaybeMask, other: MaybeMask) -> Mask | bool:
    if truth is None or other is None or not truth.any() or not other.any():
        return True
    return np.less_equal(_distance_to(truth), _distance_to(other))


def _distance_to(mask: Mask) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def false_lost(clip: TrackingClip, found: Masks) -> Share:
    """Return in how many of the frames whose truth shows the object it is said to be lost; the first does not count."""
    pairs = zip(clip.truths[1:], found[1:], strict=True)
    return share_of(one.is_lost for truth, one in pairs if truth is not None and truth.any())


@dataclass(frozen=True, slots=True)
class InterruptionScore:
    """Holds what a follower said while the object was out of view, and after."""

    kind: str
    """Of the interruption."""
    was_followed: bool
    """Whether the object was followed until then: not lost, and found; else the rest tells nothing."""
    lost_within: bool
    """Whether it was said to be lost within LOST_WITHIN frames, with an empty mask."""
    masks_while_gone: Share
    """Frames with a mask after the first LOST_WITHIN frames out of view."""
    is_refound: bool | None
    """Whether it was found within FOUND_WITHIN frames after its return; None where no frame there is annotated."""


def score_interruption(clip: TrackingClip, found: Masks) -> InterruptionScore:
    """Score a clip with an interruption."""
    assert clip.interruption is not None
    start, end = clip.interruption.start, clip.interruption.end
    gone = found[start:end]
    back = range(end, min(end + FOUND_WITHIN, len(found)))
    known = [t for t in back if clip.truths[t] is not None]
    return InterruptionScore(
        kind=clip.interruption.kind,
        was_followed=_was_followed(clip, found, start),
        lost_within=any(one.is_lost and not one.mask.any() for one in gone[:LOST_WITHIN]),
        masks_while_gone=share_of(bool(one.mask.any()) for one in gone[LOST_WITHIN:]),
        is_refound=any(_is_found(clip.truths[t], found[t]) for t in known) if known else None,
    )


def _was_followed(clip: TrackingClip, found: Masks, start: int) -> bool:
    """Return whether the object was found in the last annotated frame before it went, the prompted one included."""
    last = max(t for t in range(start) if clip.truths[t] is not None)
    return _is_found(clip.truths[last], found[last]) and not found[start - 1].is_lost


def _is_found(truth: MaybeMask, one: TrackedMask) -> bool:
    return truth is not None and not one.is_lost and dice(truth, one.mask) >= FOUND_DICE


def has_silent_jump(clip: TrackingClip, found: Masks) -> bool:
    """Return whether the mask covers more of the distractor than of the object for JUMP_FRAMES frames and is not lost.

    Frames without a truth neither count nor end a run.
    """
    triples = zip(clip.truths, clip.distractors, found, strict=True)
    run = 0
    for truth, distractor, one in triples:
        if truth is None or distractor is None:
            continue
        run = run + 1 if _is_beside(truth, distractor, one) else 0
        if run == JUMP_FRAMES:
            return True
    return False


def _is_beside(truth: Mask, distractor: Mask, one: TrackedMask) -> bool:
    on_object, on_distractor = (int(np.count_nonzero(mask & one.mask)) for mask in (truth, distractor))
    return not one.is_lost and on_distractor > on_object
