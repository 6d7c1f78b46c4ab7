"""Finds near-duplicates: pictures of one view in both training and held-out data, which would inflate the score.

Keypoints are detected and described by SIFT (D. Lowe, IJCV 2004). Each votes for the picture with the most similar keypoint.
The pictures with the most votes are compared in full: a similarity transform must map many keypoints of one onto the other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np

from rtseg.evaluation.dataset.case import Case

Features: TypeAlias = tuple[Sequence[cv2.KeyPoint], Any]  # N keypoints and their descriptors (N, 128) float32

SIDE, POINTS = 256, 200  # long side of a picture in pixels, and its maximum number of keypoints
MAX_CANDIDATES = 3  # pictures compared in full
MAX_RATIO, MAX_OFFSET_PX = 0.8, 4.0  # Lowe's ratio of the best match to the second, and maximum offset in pixels
MIN_COMMON_POINTS = 35  # common keypoints: in three real datasets, different views had up to 25 and near-duplicates 50 or more

_EMPTY: Features = ((), np.zeros((0, 128), np.float32))


def find_near_duplicates(held_out: Iterable[Case], training: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """Yield pairs of a held-out picture and a training picture of the same view, at most one for each held-out picture.

    Mirror images do not count as the same view. Raises DatasetError.
    """
    known = [_features(case) for case in training]
    filled = [i for i, (points, _) in enumerate(known) if points]
    if not filled:
        return
    voters = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": 32})  # a forest of k-d trees
    voters.add([known[i][1] for i in filled])
    for case in held_out:
        seen = _features(case)
        votes = Counter(filled[match.imgIdx] for match in voters.match(seen[1])) if seen[0] else Counter()
        like = (
            training[i] for i, _ in votes.most_common(MAX_CANDIDATES) if _common_points(seen, known[i]) >= MIN_COMMON_POINTS
        )
        twin = next(like, None)
        if twin:
            yield case, twin


def _features(case: Case) -> Features:
    image = case.grey()
    height, width = (max(1, round(side * SIDE / max(image.shape))) for side in image.shape)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    points, about = cv2.SIFT_create(POINTS).detectAndCompute(small, None)  # type: ignore[attr-defined]
    return (points, about) if points else _EMPTY


def _common_points(one: Features, other: Features) -> int:
    """Return the number of keypoints that one similarity transform maps from one picture onto the other."""
    matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one[1], other[1], k=2)
    sure = [pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < MAX_RATIO * pair[1].distance]
    if len(sure) < MIN_COMMON_POINTS:
        return 0
    here = np.array([one[0][match.queryIdx].pt for match in sure])
    there = np.array([other[0][match.trainIdx].pt for match in sure])
    _, fits = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=MAX_OFFSET_PX)
    return 0 if fits is None else int(fits.sum())
