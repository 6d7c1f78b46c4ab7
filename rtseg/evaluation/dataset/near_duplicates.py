"""Finds near-duplicates: pictures of one view in both training and held-out data, which would inflate the score.

Each keypoint of the tissue votes for the picture with the most similar keypoint. The pictures with the most votes are compared
in full: a similarity transform must map many keypoints of one onto the other, and most of the tissue must then agree. Equal
text on different tissue fails the second test, because only the few places under the text agree.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.evaluation.dataset.case import Case
from rtseg.evaluation.dataset.tissue_view import TissueView, burned_in_places, tissue_view
from rtseg.frame import Image, Mask

Transform: TypeAlias = npt.NDArray[np.float64]  # (2, 3): maps x, y of one small picture to those of another

MAX_CANDIDATES = 3  # pictures compared in full
MAX_RATIO, MAX_OFFSET_PX = 0.8, 4  # Lowe's ratio of the best match to the second, and maximum offset in pixels
MIN_COMMON_POINTS = 35  # common keypoints: in three real datasets, different views had up to 25 and near-duplicates 50 or more
MIRRORED_VOTERS = 100  # strongest keypoints of a mirror image that vote: half of them, for time

_BLOCK_PX = 24  # side of a block of tissue: several speckles and more than one letter
_MIN_DEVIATION = 3.0  # gray levels: a flatter block, as in a cyst or a shadow, has nothing to compare
_MIN_CORRELATION = 0.6  # of a block with the other picture, at the best place within MAX_OFFSET_PX
_MIN_AGREEING = 0.5  # share of the blocks that correlate: most of the tissue is the same
_MIN_BLOCKS = 8  # blocks to compare, of some 80 in a picture: fewer are no view


def find_near_duplicates(held_out: Iterable[Case], training: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """Yield pairs of a held-out picture and a training picture of the same view, at most one for each held-out picture.

    Crops, mirror images, and pictures with another gain or compression count as the same view. Equal text or frames of a
    scanner do not. Raises DatasetError.
    """
    burned_in = burned_in_places(training)
    known = [tissue_view(case, burned_in) for case in training]
    filled = [i for i, view in enumerate(known) if len(view.points)]
    if not filled:
        return
    voters = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": 32})  # a forest of k-d trees
    voters.add([known[i].descriptors for i in filled])
    for case in held_out:
        seen = tissue_view(case, burned_in)
        if not len(seen.points):
            continue
        for view, count in ((seen, len(seen.points)), (seen.mirrored(), MIRRORED_VOTERS)):
            votes = Counter(filled[match.imgIdx] for match in voters.match(view.descriptors[:count]))
            twin = next((training[i] for i, _ in votes.most_common(MAX_CANDIDATES) if _is_same_view(view, known[i])), None)
            if twin:
                yield case, twin
                break


def near_duplicate_groups(cases: Sequence[Case]) -> list[tuple[Case, ...]]:
    """Return the cases in groups: two pictures of one view, or of views that a chain of others links, are in one group.

    Raises DatasetError.
    """
    burned_in = burned_in_places(cases)
    views = [tissue_view(case, burned_in) for case in cases]
    filled = [i for i, view in enumerate(views) if len(view.points)]
    group = list(range(len(cases)))  # of each case, the first case of its group
    voters = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": 32})
    voters.add([views[i].descriptors for i in filled])
    for i in filled:
        for view, count in ((views[i], len(views[i].points)), (views[i].mirrored(), MIRRORED_VOTERS)):
            votes = Counter(
                filled[match.imgIdx]
                for two in voters.knnMatch(view.descriptors[:count], 2)
                for match in two
                if filled[match.imgIdx] != i
            )
            for other, _ in votes.most_common(MAX_CANDIDATES):
                if group[other] != group[i] and _is_same_view(view, views[other]):
                    kept, merged = sorted((group[i], group[other]))
                    group = [kept if one == merged else one for one in group]
    found: dict[int, list[Case]] = {}
    for first, case in zip(group, cases, strict=True):
        found.setdefault(first, []).append(case)
    return [tuple(one) for one in found.values()]


def _is_same_view(one: TissueView, other: TissueView) -> bool:
    transform = _common_transform(one, other)
    return transform is not None and _agreeing_share(one, other, transform) >= _MIN_AGREEING


def _common_transform(one: TissueView, other: TissueView) -> Transform | None:
    """Return the similarity transform that maps many keypoints of one picture onto the other; None without one."""
    matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one.descriptors, other.descriptors, k=2)
    sure = [pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < MAX_RATIO * pair[1].distance]
    if len(sure) < MIN_COMMON_POINTS:
        return None
    here = one.points[[match.queryIdx for match in sure]]
    there = other.points[[match.trainIdx for match in sure]]
    transform, fits = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=MAX_OFFSET_PX)
    return None if fits is None or fits.sum() < MIN_COMMON_POINTS else np.asarray(transform)


def _agreeing_share(one: TissueView, other: TissueView, transform: Transform) -> float:
    """Return the share of the common tissue's blocks that correlate after one picture is mapped onto the other; 0 if few.

    Each block is compared after a shift of its own of up to MAX_OFFSET_PX, because tissue deforms between two frames.
    """
    size = (other.image.shape[1], other.image.shape[0])
    warped = cv2.warpAffine(one.image, transform, size)
    tissue = cv2.warpAffine(one.tissue.view(np.uint8), transform, size, flags=cv2.INTER_NEAREST)
    common = np.asarray((tissue > 0) & other.tissue)
    moved, fixed = (np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8) for image in (warped, other.image))
    found = [_correlation(moved, fixed, top, left) for top, left in _blocks(common, moved, fixed)]
    return float(np.mean(np.array(found) >= _MIN_CORRELATION)) if len(found) >= _MIN_BLOCKS else 0.0


def _blocks(common: Mask, *images: Any) -> Iterator[tuple[int, int]]:
    """Yield the top and left of each block of common tissue that is not flat in any of the pictures (h, w)."""
    height, width = common.shape
    for top in range(MAX_OFFSET_PX, height - _BLOCK_PX - MAX_OFFSET_PX + 1, _BLOCK_PX):
        for left in range(MAX_OFFSET_PX, width - _BLOCK_PX - MAX_OFFSET_PX + 1, _BLOCK_PX):
            block = slice(top, top + _BLOCK_PX), slice(left, left + _BLOCK_PX)
            if common[block].all() and all(image[block].std() >= _MIN_DEVIATION for image in images):
                yield top, left


def _correlation(moved: Image, fixed: Image, top: int, left: int) -> float:
    """Return the highest correlation coefficient of a block of `fixed` with `moved`, over the shifts allowed."""
    block = fixed[top : top + _BLOCK_PX, left : left + _BLOCK_PX]
    reach = _BLOCK_PX + MAX_OFFSET_PX
    around = moved[top - MAX_OFFSET_PX : top + reach, left - MAX_OFFSET_PX : left + reach]
    return float(cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED).max())
